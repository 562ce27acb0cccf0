"""From samples to a vector: what the embedder service calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from embedder.checkpoint import Manifest, load_weights, shipped_weights
from embedder.features.analysis import TrackFeatures, analyse
from embedder.network import SegmentOutput, TrackNetwork
from musicrec.errors import Incompatible

TOP_GENRES = 5
"""Classes that an embedding names; the rest of the distribution is noise to whoever reads it."""

_TRACKS_AT_ONCE = 8
"""40 images: enough to fill matrix units, few enough for a small machine's memory."""


@dataclass(frozen=True, slots=True)
class AudioEmbedding:
    """What is known of a track from its audio alone."""

    vector: NDArray[np.float32]
    """(dimension,), unit length; the inner product of two is their likeness, -1 to 1."""
    genres: tuple[tuple[str, float], ...]
    """Most probable classes and their mean probability over the segments, best first; empty for silence."""
    tempo_bpm: float | None
    """Beats per minute; None where nothing recurs."""
    key_profile: tuple[float, ...]
    """Share of the twelve pitch classes from C, summing to 1; uniform for silence."""


class AudioEncoder:
    """Shipped or given weights on one device.

    Embeddings are a function of the samples and of `model_version`.  Between CPU and GPU the vectors of one track have
    an inner product of at least 0.999.
    """

    def __init__(self, network: TrackNetwork, manifest: Manifest, device: torch.device) -> None:
        self._network = network
        self._classes = manifest.classes
        self._device = device
        self.model_version: str = manifest.model_version
        self.dimension: int = manifest.shape.dimension

    @classmethod
    def load(
        cls, weights: Path | None = None, device: str | None = None, *, threads: int | None = None
    ) -> "AudioEncoder":
        """Load weights.

        Args:
            weights: a .safetensors file with its manifest beside it; None takes the weights of the package.
            device: a torch device; None takes `cuda` where there is one, else `cpu`.
            threads: CPU threads of torch in this whole process; None leaves them as they are.

        Raises:
            Incompatible: the weights are missing, damaged or made for other features, or there is no such device.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            torch.zeros(1, device=where)
        except (RuntimeError, AssertionError) as error:
            raise Incompatible(f"device {device!r}: {error}; name `cpu`, `cuda` or `cuda:N`") from error
        network, manifest = load_weights(weights or shipped_weights(), where)
        network.segments.to(memory_format=torch.channels_last)
        return cls(network, manifest, where)

    def embed(self, pcm_batch: Sequence[NDArray[np.float32]]) -> list[AudioEmbedding]:
        """Embed tracks.

        Args:
            pcm_batch: per track mono samples at 22,050 Hz, shape (samples,), any length.  Up to 30 s, in five segments
                spread evenly, are analysed; a track shorter than a segment (6.0 s) is repeated to fill one; silence and
                an empty track have one and the same vector.

        Raises:
            BadInput: a track has more than one axis, or samples that are not finite.
        """
        embeddings: list[AudioEmbedding] = []
        with torch.inference_mode():
            for first in range(0, len(pcm_batch), _TRACKS_AT_ONCE):
                tracks = [self._analyse(pcm) for pcm in pcm_batch[first : first + _TRACKS_AT_ONCE]]
                embeddings += self._place(tracks)
        return embeddings

    def _analyse(self, pcm: NDArray[np.float32]) -> TrackFeatures:
        features = analyse(np.asarray(pcm, np.float32), self._device)
        # All silences are one: neither their length nor their dither says anything.
        return analyse(np.zeros(0, np.float32), self._device) if features.silent else features

    def _place(self, tracks: list[TrackFeatures]) -> list[AudioEmbedding]:
        counts = [len(track.images) for track in tracks]
        output = self._run(torch.cat([track.images for track in tracks]))
        return [
            self._embedding(track, embedding, logits)
            for track, embedding, logits in zip(
                tracks, output.embedding.split(counts), output.logits.split(counts), strict=True
            )
        ]

    def _run(self, images: torch.Tensor) -> SegmentOutput:
        output: SegmentOutput = self._network.segments(images.contiguous(memory_format=torch.channels_last))
        return output

    def run_network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the class probabilities of images of any making, to compare ways of making them.

        Args:
            images: (segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 1.

        Returns:
            Shape (segments, classes).
        """
        with torch.inference_mode():
            logits = self._run(torch.from_numpy(images).to(self._device)).logits
        probabilities: NDArray[np.float32] = logits.softmax(-1).cpu().numpy()
        return probabilities

    def _embedding(self, track: TrackFeatures, embedding: torch.Tensor, logits: torch.Tensor) -> AudioEmbedding:
        learned = self._network.place_learned(embedding)
        described = self._network.place_described(track.descriptors)
        vector = self._network.combine(learned, described).float().cpu().numpy()
        return AudioEmbedding(
            vector=vector,
            genres=() if track.silent else self._genres(logits),
            tempo_bpm=track.tempo_bpm,
            key_profile=tuple(float(share) for share in track.key_profile.cpu()),
        )

    def _genres(self, logits: torch.Tensor) -> tuple[tuple[str, float], ...]:
        probabilities, order = logits.float().softmax(-1).mean(0).cpu().sort(descending=True)
        return tuple(
            (self._classes[int(index)], float(probability))
            for index, probability in zip(order[:TOP_GENRES], probabilities[:TOP_GENRES], strict=True)
        )
