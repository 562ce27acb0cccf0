"""Shapes and sizes of the networks."""

import numpy as np
import pytest
import torch

from embedder.features.descriptors import BLOCKS, N_DESCRIPTORS
from embedder.network import AlexNet, LightNet, PatchTransformer, TrackNetwork
from embedder.network_shape import NetworkShape

pytestmark = pytest.mark.torch

IMAGES = torch.rand((2, 3, 256, 256), generator=torch.Generator().manual_seed(2))


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("kind", [LightNet, AlexNet, PatchTransformer])
def test_a_network_gives_an_embedding_and_a_class_distribution_per_segment(kind: type[torch.nn.Module]) -> None:
    network = kind(32, 10).eval()
    with torch.inference_mode():
        embedding, logits = network(IMAGES)
    assert embedding.shape == (2, 32)
    assert logits.shape == (2, 10)


def test_alexnet_has_the_published_layers() -> None:
    convolutions = [m for m in AlexNet(32, 10).modules() if isinstance(m, torch.nn.Conv2d)]
    sizes = [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in convolutions]
    assert sizes == [(96, 11, 4), (256, 5, 1), (384, 3, 1), (384, 3, 1), (256, 3, 1)]
    dense = [m.out_features for m in AlexNet(32, 10).dense if isinstance(m, torch.nn.Linear)]
    assert dense == [4096, 1000]


def test_the_light_network_is_sixty_times_smaller() -> None:
    assert parameters(AlexNet(128, 17)) > 60 * parameters(LightNet(128, 17))


def test_the_transformer_has_about_a_million_parameters_and_its_patches_cover_the_image_once() -> None:
    assert 0.9e6 < parameters(PatchTransformer(128, 17)) < 1.3e6
    patches = PatchTransformer(128, 17).patches
    assert patches.kernel_size == patches.stride
    assert patches(IMAGES).shape[2:] == (8, 16)


def test_the_inner_product_of_two_tracks_is_the_mean_of_those_of_their_parts() -> None:
    network = TrackNetwork(NetworkShape("light", 4, 6, 5))
    rows = torch.nn.functional.normalize(torch.randn((4, 6), generator=torch.Generator().manual_seed(3)), dim=-1)
    learned, described = rows[:2], torch.nn.functional.normalize(rows[2:, :5], dim=-1)
    first, second = network.combine(learned, described)
    expected = 0.5 * (learned[0] @ learned[1]) + 0.5 * (described[0] @ described[1])
    assert float(first @ second) == pytest.approx(float(expected), abs=1e-6)


def test_a_wild_descriptor_counts_as_four_deviations() -> None:
    network = TrackNetwork(NetworkShape("light", 4, 6, 5))
    wild = torch.full((N_DESCRIPTORS,), 1e6)
    assert network.standardise(wild).unique().tolist() == [4.0]


def test_the_blocks_of_descriptors_are_all_of_them() -> None:
    assert np.sum(list(BLOCKS.values())) == N_DESCRIPTORS
