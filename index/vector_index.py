"""What an index of track vectors can do, and the rule that every vector in it keeps."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from musicrec.errors import BadInput

Vector = npt.NDArray[np.float32]
Neighbour = tuple[str, float]
"""A track and its cosine to the query, higher is nearer."""

SMALLEST_NORM = 1e-6
"""Shorter than this a vector has no direction worth comparing: silence, or a network that has collapsed."""


class VectorIndex(Protocol):
    """Unit vectors of one dimension and one model, by track id."""

    @property
    def version(self) -> str:
        """Model version whose vectors these are."""

    def __len__(self) -> int:
        """Return the number of tracks."""

    def __contains__(self, track_id: object) -> bool:
        """Return whether the track has a vector."""

    def upsert(self, track_id: str, vector: npt.ArrayLike) -> None:
        """Set the vector of a track, shape (dimension,); it is scaled to unit length.

        Raises:
            BadInput: wrong dimension, NaN, infinity, or no direction.
        """

    def remove(self, track_id: str) -> bool:
        """Remove a track; return whether it was there."""

    def vector(self, track_id: str) -> Vector | None:
        """Return the unit vector of a track, shape (dimension,), float32; None for an unknown one."""

    def vectors(self, track_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the unit vectors of tracks, float32, shape (len(track_ids), dimension); zeros for an unknown one."""

    def search(self, vector: npt.ArrayLike, k: int) -> list[Neighbour]:
        """Return the min(k, len) tracks of largest cosine to `vector`, best first, ties by track id.

        Raises:
            BadInput: `vector` is none that could be in the index, or k is below 1.
        """


def unit_vector(values: npt.ArrayLike, dimension: int, what: str) -> Vector:
    """Return `values` scaled to unit length, shape (dimension,), float32.

    Args:
        values: components, any float type.
        dimension: how many there must be.
        what: names the vector in the error message.

    Raises:
        BadInput: another shape, a component that is not a finite number, or a length near zero.
    """
    try:
        # In float64, so that the square of a large float32 does not overflow.
        vector = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{what}: not an array of numbers") from None
    if vector.shape != (dimension,):
        raise BadInput(f"{what}: shape {vector.shape}; the index needs ({dimension},)")
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm):
        raise BadInput(f"{what}: holds NaN, infinity or components too large to square")
    if norm < SMALLEST_NORM:
        raise BadInput(f"{what}: length {norm:.1e}; a vector needs a direction")
    return (vector / norm).astype(np.float32)


def places_best_first(track_ids: Sequence[str], cosines: npt.NDArray[np.float32]) -> list[int]:
    """Return the places of tracks, those of largest cosine first, ties by track id."""
    return sorted(range(len(track_ids)), key=lambda place: (-cosines[place], track_ids[place]))


def checked_k(k: int) -> int:
    """Return `k`.

    Raises:
        BadInput: it is below 1.
    """
    if k < 1:
        raise BadInput(f"k: {k}; a search returns at least 1 track")
    return k
