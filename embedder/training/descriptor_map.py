"""Which directions of the descriptors tell styles apart, and which only tracks of one style."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.training.within_class import within_class_map

SHRINKAGE = 0.2
"""Share of the identity in the within-style covariance: the directions of synthesised music are a hint, not a law."""


@dataclass(frozen=True, slots=True)
class DescriptorMap:
    """Standardise, then multiply."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    matrix: NDArray[np.float32]
    """(components, descriptors)"""


def fit_descriptor_map(
    descriptors: NDArray[np.float32], styles: NDArray[np.int64], components: int, shrinkage: float = SHRINKAGE
) -> DescriptorMap:
    """Whiten what varies within a style, and keep the strongest directions of what remains.

    Args:
        descriptors: (tracks, descriptors).
        styles: (tracks,), each style at least twice.
        components: rows of the map.
        shrinkage: 0 trusts the within-style covariance, 1 ignores it.

    Source: `within_class_map`.
    """
    mean, deviation = descriptors.mean(0), descriptors.std(0) + 1e-6
    x = ((descriptors - mean) / deviation).clip(-4, 4).astype(np.float64)
    matrix = within_class_map(x, styles, components, shrinkage)
    return DescriptorMap(mean.astype(np.float32), deviation.astype(np.float32), matrix.astype(np.float32))
