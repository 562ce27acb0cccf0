"""The oracle: every cosine computed, in NumPy. Slow, obviously right, and what the FAISS replica is tested against."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from index.track_numbers import TrackNumbers
from index.vector_index import Neighbour, Vector, checked_k, places_best_first, unit_vector


class ExactIndex:
    """A `VectorIndex` in a dict."""

    def __init__(self, dimension: int, version: str) -> None:
        self.dimension = dimension
        self._version = version
        self._vectors: dict[str, Vector] = {}
        self._numbers = TrackNumbers()

    @property
    def version(self) -> str:
        """Model version whose vectors these are."""
        return self._version

    @property
    def model_version(self) -> str:
        """The same, as `AudioIndex` has it."""
        return self._version

    @property
    def moves(self) -> int:
        """Counts up whenever a number ceases to mean its track; see `NumberedVectors`."""
        return self._numbers.moves

    def numbered(self) -> "ExactIndex":
        """Return this index, as `AudioIndex` has it."""
        return self

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._vectors

    def upsert(self, track_id: str, vector: npt.ArrayLike) -> None:
        """Set the vector of a track; see `VectorIndex.upsert`."""
        self._vectors[track_id] = unit_vector(vector, self.dimension, f"vector of track {track_id!r}")
        self._numbers.assign(track_id)

    def remove(self, track_id: str) -> bool:
        """Remove a track; return whether it was there."""
        self._numbers.release(track_id)
        return self._vectors.pop(track_id, None) is not None

    def number_of(self, track_id: str) -> int:
        """Return the number of a track, or `NO_NUMBER`."""
        return self._numbers.number_of(track_id)

    def tracks_of(self, numbers: Sequence[int]) -> list[str]:
        """Return the track ids of numbers that are in use."""
        return self._numbers.tracks_of(numbers)

    def rows(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the vectors of numbers that are in use, float32, shape (numbers, dimension)."""
        return self.vectors(self.tracks_of(numbers.tolist()))

    def vector(self, track_id: str) -> Vector | None:
        """Return the unit vector of a track, shape (dimension,), or None."""
        return self._vectors.get(track_id)

    def vectors(self, track_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the unit vectors of tracks; see `VectorIndex.vectors`."""
        rows = np.zeros((len(track_ids), self.dimension), np.float32)
        for row, track_id in zip(rows, track_ids, strict=True):
            row[:] = self._vectors.get(track_id, 0.0)
        return rows

    def search(self, vector: npt.ArrayLike, k: int) -> list[Neighbour]:
        """Return the nearest tracks; see `VectorIndex.search`."""
        query = unit_vector(vector, self.dimension, "query vector")
        checked_k(k)
        if not self._vectors:
            return []
        tracks = list(self._vectors)
        cosines = np.minimum(np.stack(list(self._vectors.values())) @ query, 1.0)
        return [(tracks[place], float(cosines[place])) for place in places_best_first(tracks, cosines)[:k]]

    def nearest(self, vector: npt.ArrayLike, k: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the nearest tracks; see `search`."""
        return np.array([self.number_of(track_id) for track_id, _ in self.search(vector, k)], np.int64)
