"""Hit rate, reciprocal rank and coverage, with ties against us.

Sources: Hidasi, Czapp, "Widespread flaws in offline evaluation of recommender systems", RecSys 2023 (full ranking,
conservative ties).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LIST_LENGTH = 20
"""Cut-off of every figure."""


def conservative_rank(target: int, listed: NDArray[np.int64], scores: NDArray[np.float64]) -> int:
    """Return the rank of `target` from 1, counting every track with an equal score as before it; 0 where it is absent.

    Args:
        target: a track's index.
        listed: int64, shape (n,), tracks that could be listed, in any order.
        scores: float64, shape (n,), their scores; higher is better.

    >>> conservative_rank(7, np.array([5, 7, 9]), np.array([0.5, 0.3, 0.3]))
    3
    """
    places = np.flatnonzero(listed == target)
    if len(places) == 0:
        return 0
    return int(np.count_nonzero(scores >= scores[places[0]]))


@dataclass(slots=True)
class HitCounter:
    """Hit rate and mean reciprocal rank at `LIST_LENGTH` over the cases counted."""

    cases: int = 0
    hits: int = 0
    reciprocal_ranks: float = 0.0

    def count(self, rank: int) -> None:
        """Count one case; `rank` from 1, or 0 for a target that was not in the ranking."""
        self.cases += 1
        if 1 <= rank <= LIST_LENGTH:
            self.hits += 1
            self.reciprocal_ranks += 1 / rank

    def figures(self) -> dict[str, float]:
        """Return `events`, `hr@20` and `mrr@20`."""
        cases = max(1, self.cases)
        return {
            "events": self.cases,
            "hr@20": round(self.hits / cases, 6),
            "mrr@20": round(self.reciprocal_ranks / cases, 6),
        }


@dataclass(slots=True)
class Scoreboard:
    """What one model scored: over all cases, on targets the listener played before, and on targets new to them."""

    all: HitCounter = field(default_factory=HitCounter)
    repeat: HitCounter = field(default_factory=HitCounter)
    new: HitCounter = field(default_factory=HitCounter)
    listed: set[int] = field(default_factory=set)
    times_s: list[float] = field(default_factory=list)

    def count(self, rank: int, *, is_repeat: bool) -> None:
        """Count one case."""
        self.all.count(rank)
        (self.repeat if is_repeat else self.new).count(rank)

    def figures(self, known_tracks: int) -> dict[str, object]:
        """Return the figures by their published keys; coverage is the share of `known_tracks` ever listed."""
        times_ms = np.array(self.times_s or [0.0]) * 1e3
        return {
            "all": self.all.figures(),
            "repeat": self.repeat.figures(),
            "new": self.new.figures(),
            "coverage@20": round(len(self.listed) / max(1, known_tracks), 6),
            "p50_ms": round(float(np.percentile(times_ms, 50)), 4),
            "p99_ms": round(float(np.percentile(times_ms, 99)), 4),
        }
