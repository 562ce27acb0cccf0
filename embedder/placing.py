"""Where a track lies: what the network said of its segments, and its descriptors, joined into one vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.weights import Tensors

FURTHEST_DEVIATIONS = 4.0
"""A descriptor outside this many deviations of what training heard says "very much so", and no more."""

_SHORTEST = 1e-12

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrackPlacing:
    """What training found out about centres, deviations and directions."""

    descriptor_mean: Vector
    descriptor_deviation: Vector
    descriptor_map: NDArray[np.float32]
    """(described, N_DESCRIPTORS)"""
    learned_centre: Vector
    learned_share: float
    """Weight of the learned part in the inner product of two vectors."""

    @classmethod
    def of(cls, tensors: Tensors) -> "TrackPlacing":
        """Take the parts from weights.

        Raises:
            KeyError: one is missing.
        """
        return cls(
            tensors["descriptor_mean"],
            tensors["descriptor_deviation"],
            tensors["descriptor_map"],
            tensors["learned_centre"],
            float(tensors["learned_share"]),
        )

    def place(self, segments: NDArray[np.float32], descriptors: Vector) -> Vector:
        """Return the vector of a track, unit length, shape (learned + described,).

        The inner product of two is the weighted mean of those of their two parts.

        Args:
            segments: what the network said of each, shape (segments, learned).
            descriptors: shape (N_DESCRIPTORS,).
        """
        learned, described = self.place_learned(segments), self.place_described(descriptors)
        share = self.learned_share
        return unit(np.concatenate((np.sqrt(share) * learned, np.sqrt(1 - share) * described)))

    def place_learned(self, segments: NDArray[np.float32]) -> Vector:
        """Return the learned part: the mean of the unit vectors of the segments, centred, unit length."""
        return unit(unit(segments).mean(axis=0) - self.learned_centre)

    def spread(self, segments: NDArray[np.float32]) -> float:
        """Return how unlike each other segments are: 1 minus the length of the mean of their unit vectors, 0 to 1.

        Source: Mardia and Jupp 1999, "Directional statistics", where it is the circular variance.
        """
        return float(np.clip(1 - np.linalg.norm(unit(segments).mean(axis=0)), 0.0, 1.0))

    def place_described(self, descriptors: Vector) -> Vector:
        """Return the described part: deviations from what training heard, clipped, mapped, unit length."""
        deviations = (descriptors - self.descriptor_mean) / self.descriptor_deviation
        return unit(self.descriptor_map @ np.clip(deviations, -FURTHEST_DEVIATIONS, FURTHEST_DEVIATIONS))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows, or the one row, scaled to unit length; a row of zeros stays."""
    length = np.sqrt(np.sum(rows * rows, axis=-1, keepdims=True))
    scaled: NDArray[np.float32] = (rows / np.maximum(length, _SHORTEST)).astype(np.float32, copy=False)
    return scaled
