"""The network run by torch: on a GPU, and on a CPU for the architectures that are there to compare with."""

from collections.abc import Sequence

import torch

from embedder.checkpoint import network_of
from embedder.features.namespace import Array
from embedder.segment_network import SegmentAnswer
from embedder.weights import Weights

_TRACKS_AT_ONCE = 8
"""40 images: enough to fill matrix units, few enough for a small card's memory."""


class TorchNetwork:
    """A `SegmentNetwork` on a torch device."""

    def __init__(self, weights: Weights, device: torch.device) -> None:
        """Load the weights.

        Raises:
            Incompatible: they are those of another network.
        """
        self._device = device
        self._segments = network_of(weights).segments.to(device, memory_format=torch.channels_last)

    def run(self, tracks: Sequence[Array]) -> list[SegmentAnswer]:
        """See `SegmentNetwork.run`."""
        answers: list[SegmentAnswer] = []
        with torch.inference_mode():
            for first in range(0, len(tracks), _TRACKS_AT_ONCE):
                answers += self._run_together([torch.as_tensor(t) for t in tracks[first : first + _TRACKS_AT_ONCE]])
        return answers

    def _run_together(self, tracks: Sequence[torch.Tensor]) -> list[SegmentAnswer]:
        images = torch.cat(list(tracks)).to(self._device).contiguous(memory_format=torch.channels_last)
        output = self._segments(images)
        counts = [len(track) for track in tracks]
        parts = (tensor.float().cpu().split(counts) for tensor in (output.embedding, output.logits))
        return [SegmentAnswer(embedding.numpy(), logits.numpy()) for embedding, logits in zip(*parts, strict=True)]
