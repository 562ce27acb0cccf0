"""A light network with fewer channels, taught by the whole one."""

import numpy as np
import pytest
import torch

from embedder.network import LightNet, TrackNetwork
from embedder.network_shape import NetworkShape
from embedder.training.pruning import DistillingSettings, distil, multiplications, neighbour_overlap, pruned
from musicrec.errors import BadInput

pytestmark = pytest.mark.torch

IMAGES = np.random.default_rng(1).integers(0, 256, (4, 3, 256, 256), dtype=np.uint8)


def network() -> TrackNetwork:
    torch.manual_seed(3)
    return TrackNetwork(NetworkShape("light", 3, 8, 4)).eval()


def says(of: TrackNetwork) -> torch.Tensor:
    with torch.inference_mode():
        return of.segments(torch.from_numpy(IMAGES).float().div(255)).embedding


def test_all_channels_are_the_network_itself() -> None:
    torch.testing.assert_close(says(pruned(network(), 1.0)), says(network()))


def test_channels_without_weight_are_not_missed() -> None:
    whole = network()
    norms = [each for each in whole.segments.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight[::2] = 0.0
            norm.bias[::2] = 0.0
    small = pruned(whole, 0.5)
    torch.testing.assert_close(says(small), says(whole))
    assert multiplications(small.segments) < 0.35 * multiplications(whole.segments)


def test_multiplications_are_places_times_weights() -> None:
    sizes = [(3, 24, 25, 128), (24, 48, 9, 64), (48, 96, 9, 32), (96, 160, 9, 16), (160, 256, 9, 8)]
    expected = sum(before * after * kernel * side**2 for before, after, kernel, side in sizes)
    expected += 256 * 64 * 8**2 + 1024 * (8 + 3)
    assert multiplications(LightNet(8, 3)) == expected


def test_what_was_pruned_comes_nearer_to_what_taught_it() -> None:
    whole = network()
    with torch.no_grad():
        for norm in (each for each in whole.segments.modules() if isinstance(each, torch.nn.BatchNorm2d)):
            norm.weight.uniform_(0.2, 3.0)
            norm.bias.normal_()
    small = pruned(whole, 0.5)

    def likeness() -> float:
        return float(torch.nn.functional.cosine_similarity(says(small), says(whole)).mean())

    before = likeness()
    distil(small, whole, IMAGES, DistillingSettings(epochs=6, segments_per_batch=4))
    assert likeness() > before


def test_overlap_is_the_share_of_common_neighbours() -> None:
    one = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]] + 0.1
    other = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]] + 0.1
    assert neighbour_overlap(one, one, 1) == 1.0
    assert neighbour_overlap(one, other, 1) == 0.0


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(BadInput, match="share"):
        pruned(network(), share)
