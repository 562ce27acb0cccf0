"""Which parts of the sound a network hears: the mix, its harmonic part, its percussive part."""

import torch
from torch import nn

from embedder.network import TrackNetwork
from musicrec.errors import BadInput

CHANNELS = ("mix", "harmonic", "percussive")
"""In the order of the image."""
ALL = "+".join(CHANNELS)


def hear_only(network: TrackNetwork, channels: str) -> None:
    """Make a network deaf to all other channels: their weights in the first layer are 0, and training leaves them so.

    It still takes images of three channels, so it is saved, loaded and served as any other.

    Args:
        network: before training.
        channels: names joined by `+`, as "mix+harmonic".

    Raises:
        BadInput: there is no such channel.
    """
    names = channels.split("+")
    for name in names:
        if name not in CHANNELS:
            raise BadInput(f"channel {name!r} of {channels!r}: needs some of {ALL}")
    heard = torch.tensor([float(channel in names) for channel in CHANNELS])[None, :, None, None]
    first = next(module for module in network.segments.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.mul_(heard)
    first.weight.register_hook(lambda gradient: gradient * heard)
