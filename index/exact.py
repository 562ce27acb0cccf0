"""The oracle: every cosine computed, in NumPy. Slow, obviously right, and what the FAISS replica is tested against."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from index.vector_index import Neighbour, Vector, best_first, checked_k, unit_vector


class ExactIndex:
    """A `VectorIndex` in a dict."""

    def __init__(self, dimension: int, version: str) -> None:
        self.dimension = dimension
        self._version = version
        self._vectors: dict[str, Vector] = {}

    @property
    def version(self) -> str:
        """Model version whose vectors these are."""
        return self._version

    @property
    def model_version(self) -> str:
        """The same, as `AudioIndex` has it."""
        return self._version

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._vectors

    def upsert(self, track_id: str, vector: npt.ArrayLike) -> None:
        """Set the vector of a track; see `VectorIndex.upsert`."""
        self._vectors[track_id] = unit_vector(vector, self.dimension, f"vector of track {track_id!r}")

    def remove(self, track_id: str) -> bool:
        """Remove a track; return whether it was there."""
        return self._vectors.pop(track_id, None) is not None

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
        return best_first(list(self._vectors), np.stack(list(self._vectors.values())) @ query)[:k]
