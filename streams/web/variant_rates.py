"""What each variant of the ranking is worth, with 95 % intervals, folded from outcomes: pure and bounded.

Listens of one listener are alike, so the intervals are over listeners: each belongs to one of `GROUPS` groups by a
hash, and a rate r = sum of x / sum of n has the variance of the groups' residuals x - r n, which counts a group's
listens together.  With few listeners most groups are one of them.

Source: Cochran, "Sampling Techniques", 1977, 6.3 (variance of a ratio of sums over clusters).
"""

import math
from typing import Final, TypedDict
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Outcome
from musicrec.contracts.model import DEFAULT_VARIANT

K: Final = 20
GROUPS: Final = 256
MOST_VARIANTS: Final = 20
"""Further names of variants are not shown."""
LEAST_GROUPS: Final = 10
"""An interval over fewer says nothing."""
Z: Final = 1.96
"""Of a 95 % interval, normal."""
LISTENS, HITS, RECIPROCAL_RANKS, SKIPS = range(4)


class RateView(TypedDict):
    """A rate, and the interval in which it lies, where that can be told."""

    rate: float
    low: float | None
    high: float | None


class VariantView(TypedDict):
    """One line of the table of variants."""

    variant: str
    listens: int
    """That had a list of the variant before them."""
    hit_rate: RateView
    """Share of them whose track was among the first 20."""
    reciprocal_rank: RateView
    """Mean of 1 / place, 0 where the track was not among the first 20."""
    skipped: RateView
    """Share of them that were skipped."""


class VariantRates:
    """Rates by variant; the caller leaves out what it has counted before."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, outcome: Outcome) -> None:
        """Take an outcome of a listen that had a list before it."""
        name = outcome.variant or DEFAULT_VARIANT
        if name not in self._sums:
            if len(self._sums) >= MOST_VARIANTS:
                return
            self._sums[name] = np.zeros((GROUPS, 4))
        hit = outcome.rank is not None and outcome.rank <= K
        reciprocal = 1 / outcome.rank if outcome.rank is not None and hit else 0.0
        self._sums[name][crc32(outcome.user_id.encode()) % GROUPS] += (1.0, hit, reciprocal, outcome.outcome.is_skip)

    def view(self) -> list[VariantView]:
        """Return a line per variant, the default first; none where there is nothing beside the default."""
        if not self._sums.keys() - {DEFAULT_VARIANT}:
            return []
        return [
            {
                "variant": name,
                "listens": int(sums[:, LISTENS].sum()),
                "hit_rate": _rate(sums, HITS),
                "reciprocal_rank": _rate(sums, RECIPROCAL_RANKS),
                "skipped": _rate(sums, SKIPS),
            }
            for name, sums in sorted(self._sums.items(), key=lambda item: (item[0] != DEFAULT_VARIANT, item[0]))
        ]


def _rate(sums: NDArray[np.float64], column: int) -> RateView:
    listens, counted = sums[:, LISTENS], sums[:, column]
    rate = float(counted.sum() / listens.sum())
    groups = int(np.count_nonzero(listens))
    low = high = None
    if groups >= LEAST_GROUPS:
        residuals = counted - rate * listens
        variance = groups / (groups - 1) * float(residuals @ residuals) / float(listens.sum()) ** 2
        if variance > 0:  # else all were alike, which says nothing of how alike the next ones are
            low, high = max(0.0, rate - Z * math.sqrt(variance)), min(1.0, rate + Z * math.sqrt(variance))
    return {"rate": round(rate, 4), "low": _rounded(low), "high": _rounded(high)}


def _rounded(bound: float | None) -> float | None:
    return None if bound is None else round(bound, 4)
