"""By how much one model is above another, with an interval: the same cases, drawn again by listener.

Cases of one listener are alike, so listeners are drawn and not cases: with 184 of them, millions of cases say less than
they seem to.

Source: Efron, Tibshirani, "An introduction to the bootstrap", 1993 (paired, percentile); resampling whole clusters.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from musicrec.evaluation.metrics import HitCounter

RESAMPLES: Final = 1_000
BLOCK: Final = 50
"""Resamples drawn at a time, for the memory's sake."""
SEED: Final = 1
BOUNDS: Final = (2.5, 97.5)
"""Percentiles: a 95 % interval."""


def intervals(ours: Mapping[int, HitCounter], theirs: Mapping[int, HitCounter]) -> dict[str, list[float]]:
    """Return the 95 % interval of ours minus theirs, `[low, high]` by metric; both count the same cases.

    >>> better = {unit: HitCounter(cases=10, hits=6, reciprocal_ranks=3.0) for unit in range(9)}
    >>> worse = {unit: HitCounter(cases=10, hits=4, reciprocal_ranks=3.0) for unit in range(9)}
    >>> intervals(better, worse)
    {'hr@20': [0.2, 0.2], 'mrr@20': [0.0, 0.0]}
    """
    units = list(ours)
    cases = np.array([ours[unit].cases for unit in units], np.float64)
    above = np.array(
        [
            (ours[unit].hits - theirs[unit].hits, ours[unit].reciprocal_ranks - theirs[unit].reciprocal_ranks)
            for unit in units
        ]
    ).reshape(-1, 2)
    if not len(units):
        return {"hr@20": [0.0, 0.0], "mrr@20": [0.0, 0.0]}
    random = np.random.default_rng(SEED)
    drawn = []
    for _ in range(0, RESAMPLES, BLOCK):
        picked = random.multinomial(len(units), np.full(len(units), 1 / len(units)), BLOCK)
        drawn.append((picked @ above) / np.maximum(1.0, picked @ cases)[:, None])
    low, high = np.percentile(np.concatenate(drawn), BOUNDS, axis=0).round(6).tolist()
    return {"hr@20": [low[0], high[0]], "mrr@20": [low[1], high[1]]}
