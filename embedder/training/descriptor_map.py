"""Which directions of the descriptors tell styles apart, and which only tracks of one style."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    Source: Hatch et al. 2006, within-class covariance normalisation, with the shrinkage of Ledoit and Wolf.
    """
    mean, deviation = descriptors.mean(0), descriptors.std(0) + 1e-6
    x = ((descriptors - mean) / deviation).clip(-4, 4).astype(np.float64)
    _, inverse = np.unique(styles, return_inverse=True)
    sums = np.stack([np.bincount(inverse, weights=column) for column in x.T], axis=1)
    centres = sums / np.bincount(inverse)[:, None]
    residual = x - centres[inverse]
    within = residual.T @ residual / len(x)
    scale = np.trace(within) / len(within)
    within = (1 - shrinkage) * within + shrinkage * scale * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values) @ vectors.T
    _, directions = np.linalg.eigh(np.cov((x @ whiten).T))
    matrix = directions[:, ::-1][:, :components].T @ whiten
    return DescriptorMap(mean.astype(np.float32), deviation.astype(np.float32), matrix.astype(np.float32))
