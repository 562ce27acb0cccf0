"""Tracks that sound like the ones just heard: what the recommender asks of a vector index."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class AudioIndex(Protocol):
    """Vectors of unit length by track id, and the nearest of them."""

    @property
    def version(self) -> str:
        """Embedding model and generation."""

    @property
    def model_version(self) -> str:
        """Embedding model alone."""

    def __len__(self) -> int:
        """Return how many vectors it holds."""

    def vector(self, track_id: str) -> NDArray[np.float32] | None:
        """Return the track's vector, float32, shape (dimension,), or None."""

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the tracks' vectors, float32, shape (tracks, dimension); a row of zeros, or no column, for none."""

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """Return up to `k` track ids and their cosines, best first."""


def mean_vector(index: AudioIndex, track_ids: Sequence[str]) -> NDArray[np.float32] | None:
    """Return the direction of the mean of the tracks' vectors, unit length; None where no track has one."""
    vectors = index.vectors(track_ids)
    vectors = vectors[vectors.any(axis=1)]
    if not len(vectors):
        return None
    mean: NDArray[np.float32] = vectors.sum(axis=0, dtype=np.float32)
    length = float(np.linalg.norm(mean))
    if length < 1e-6:  # opposite directions cancel out: the newest track decides
        newest: NDArray[np.float32] = vectors[0]
        return newest
    unit: NDArray[np.float32] = mean / np.float32(length)
    return unit
