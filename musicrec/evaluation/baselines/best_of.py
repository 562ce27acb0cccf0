"""The best of a score per track."""

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.play_memory import CANDIDATES, Ranking


def best_of(scores: NDArray[np.floating], limit: int = CANDIDATES) -> Ranking:
    """Return the `limit` tracks with the best scores, best first; equal ones in order of the lower index.

    Args:
        scores: shape (tracks,), by index.
        limit: how many at most.

    >>> best_of(np.array([0.1, 0.5, 0.3, 0.5]), 3)[0].tolist()
    [1, 3, 2]
    """
    tracks = np.argpartition(scores, len(scores) - limit)[-limit:] if len(scores) > limit else np.arange(len(scores))
    order = tracks[np.lexsort((tracks, -scores[tracks]))]
    return order.astype(np.int64), scores[order].astype(np.float64)
