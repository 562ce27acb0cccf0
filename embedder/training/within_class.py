"""The directions that tell classes apart, when what varies within a class is made to count little."""

import numpy as np
from numpy.typing import NDArray


def within_class_map(
    x: NDArray[np.floating], classes: NDArray[np.int64], components: int, shrinkage: float
) -> NDArray[np.float64]:
    """Whiten what varies within a class, and return the strongest directions of what remains.

    Args:
        x: (examples, features).
        classes: (examples,), each class at least twice.
        components: rows of the map; at most the features.
        shrinkage: 0 trusts the covariance within classes, 1 ignores it.

    Returns:
        Shape (components, features): multiply it with what was centred.

    Source: Hatch et al. 2006, within-class covariance normalisation, with the shrinkage of Ledoit and Wolf.
    """
    return map_of_covariances(_within(x.astype(np.float64), classes), np.cov(x.T), components, shrinkage)


def map_of_covariances(
    within: NDArray[np.float64], total: NDArray[np.floating], components: int, shrinkage: float
) -> NDArray[np.float64]:
    """Return the map of `within_class_map` where both covariances, (features, features), are known."""
    scale = np.trace(within) / len(within)
    within = (1 - shrinkage) * within + shrinkage * scale * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values) @ vectors.T
    _, directions = np.linalg.eigh(whiten @ total @ whiten)
    found: NDArray[np.float64] = directions[:, ::-1][:, :components].T @ whiten
    return found


def _within(x: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    _, inverse = np.unique(classes, return_inverse=True)
    sums = np.stack([np.bincount(inverse, weights=column) for column in x.T], axis=1)
    centres = sums / np.bincount(inverse)[:, None]
    residual = x - centres[inverse]
    within: NDArray[np.float64] = residual.T @ residual / len(x)
    return within
