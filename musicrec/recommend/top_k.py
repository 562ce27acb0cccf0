"""Scores per key that are added up and then cleared without touching the whole array, and the best of them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel

MIN_CAPACITY: Final = 1024


class Scratch:
    """An accumulator over keys that is cheap to reset.

    Attributes:
        scores: float64 per key; 0 between uses.
        touched: int64, the keys with a score, in the order in which they got it.
    """

    def __init__(self, capacity: int = MIN_CAPACITY) -> None:
        self.scores: NDArray[np.float64] = np.zeros(capacity, np.float64)
        self.touched: NDArray[np.int64] = np.zeros(capacity, np.int64)

    def grow(self, capacity: int) -> None:
        """Make room for keys below `capacity`; call it between uses only."""
        if capacity > len(self.scores):
            self.scores = np.zeros(capacity, np.float64)
            self.touched = np.zeros(capacity, np.int64)


@kernel
def _worse(score: float, key: int, other_score: float, other_key: int) -> bool:
    """Whether the first stands behind the second: lower score, or the same score and a higher key."""
    return score < other_score or (score == other_score and key > other_key)


@kernel
def _sift_down(keys: NDArray[np.int64], scores: NDArray[np.float64], at: int, length: int) -> None:
    key = keys[at]
    score = scores[at]
    while True:
        child = 2 * at + 1
        if child >= length:
            break
        if child + 1 < length and _worse(scores[child + 1], keys[child + 1], scores[child], keys[child]):
            child += 1
        if not _worse(scores[child], keys[child], score, key):
            break
        keys[at] = keys[child]
        scores[at] = scores[child]
        at = child
    keys[at] = key
    scores[at] = score


@kernel
def take_top(
    touched: NDArray[np.int64],
    count: int,
    scores: NDArray[np.float64],
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the `limit` best keys with a positive score, best first, and reset `scores`; return how many.

    Equal scores are ordered by the lower key, so the result depends on nothing but the scores.
    """
    length = 0
    for i in range(count):
        key = touched[i]
        score = scores[key]
        scores[key] = 0.0
        if score <= 0.0:
            continue
        if length < limit:
            out_keys[length] = key
            out_scores[length] = score
            length += 1
            if length == limit:
                for at in range(limit // 2 - 1, -1, -1):
                    _sift_down(out_keys, out_scores, at, limit)
        elif _worse(out_scores[0], out_keys[0], score, key):
            out_keys[0] = key
            out_scores[0] = score
            _sift_down(out_keys, out_scores, 0, limit)
    if length < limit:
        for at in range(length // 2 - 1, -1, -1):
            _sift_down(out_keys, out_scores, at, length)
    for end in range(length - 1, 0, -1):  # the worst of the heap goes to its end: best first remains
        key = out_keys[0]
        score = out_scores[0]
        out_keys[0] = out_keys[end]
        out_scores[0] = out_scores[end]
        out_keys[end] = key
        out_scores[end] = score
        _sift_down(out_keys, out_scores, 0, end)
    return length
