"""How large the numbers inside a network become: what 8-bit whole numbers have to cover."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedder.network import TrackNetwork

SHARE_COVERED = 0.9999
"""Of the activations; the few above would widen the steps of all others, and are cut off."""


def calibrate(network: TrackNetwork, images: NDArray[np.uint8]) -> None:
    """Set the ranges of a network that has any; of others, nothing.

    Args:
        network: trained.
        images: (tracks, segments, 3, MEL_BANDS, SEGMENT_FRAMES), of some tens of tracks or more.
    """
    tops = getattr(network.segments, "activation_tops", None)
    if tops is None:
        return
    network.eval()
    heard: list[list[float]] = [[] for _ in tops]
    layers = [layer for layer in network.segments.convolutions if isinstance(layer, nn.ReLU)]
    hooks = [layer.register_forward_hook(_note_top(tops_seen)) for layer, tops_seen in zip(layers, heard, strict=True)]
    with torch.no_grad():
        for track in images:
            network.segments(torch.from_numpy(track).float().div_(255))
    for hook in hooks:
        hook.remove()
    tops.copy_(torch.tensor([float(np.median(seen)) for seen in heard]))


def _note_top(seen: list[float]) -> Callable[[nn.Module, object, Tensor], None]:
    def note(layer: nn.Module, inputs: object, output: Tensor) -> None:
        values = output.flatten()
        seen.append(float(values.kthvalue(int(SHARE_COVERED * (values.numel() - 1)) + 1).values))

    return note
