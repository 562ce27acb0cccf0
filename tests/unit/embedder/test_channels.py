"""Networks that hear some parts of the sound alone."""

import pytest
import torch

from embedder.network import TrackNetwork
from embedder.network_shape import Architecture, NetworkShape
from embedder.training.channels import hear_only
from musicrec.errors import BadInput

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("architecture", ["light", "transformer"])
def test_a_network_is_deaf_to_other_channels_before_and_after_a_step(architecture: Architecture) -> None:
    torch.manual_seed(2)
    network = TrackNetwork(NetworkShape(architecture, 3, 8, 4))
    hear_only(network, "harmonic")
    images = torch.rand((2, 3, 256, 256))
    optimiser = torch.optim.AdamW(network.parameters(), 0.01)
    network.segments(images).embedding.square().sum().backward()
    optimiser.step()
    network.eval()
    with torch.inference_mode():
        heard = network.segments(images).embedding
        for channel, matters in ((0, False), (1, True), (2, False)):
            changed = images.clone()
            changed[:, channel] = 0.0
            assert torch.allclose(network.segments(changed).embedding, heard, atol=1e-5) is not matters


def test_a_channel_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match=r"channel 'vocals' of 'mix\+vocals': needs some of mix\+harmonic\+percussive"):
        hear_only(TrackNetwork(NetworkShape("light", 3, 8, 4)), "mix+vocals")
