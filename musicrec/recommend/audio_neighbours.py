"""Tracks that sound like the ones just heard: what the recommender asks of a vector index."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

NO_VECTOR: Final = -1
"""Number of a track that the index does not hold."""


class NumberedVectors(Protocol):
    """Vectors of unit length by number: an id is looked up once, and not for every list that it is a candidate for."""

    dimension: int
    """Components of a vector."""

    @property
    def moves(self) -> int:
        """Counts up whenever a number ceases to mean its track."""

    def number_of(self, track_id: str) -> int:
        """Return the number of a track, or `NO_VECTOR`."""

    def tracks_of(self, numbers: Sequence[int]) -> list[str]:
        """Return the track ids of numbers that are in use."""

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of numbers that are in use, float32, shape (numbers, dimension)."""

    def nearest(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return the numbers of up to `k` vectors of largest cosine, best first."""


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

    def numbered(self) -> NumberedVectors | None:
        """Return the vectors that serve now; None while there are none.  Of others all numbers are others."""


def mean_direction(vectors: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the direction of the mean, unit length; None where no track has a vector.

    Args:
        vectors: of unit length, float32, shape (tracks, dimension), the newest track first; a row of zeros, or no
            column, for none.
    """
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
