"""Hit rate, reciprocal rank and coverage, with ties against us.

Sources: Hidasi, Czapp, "Widespread flaws in offline evaluation of recommender systems", RecSys 2023 (full ranking,
conservative ties).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.list_character import ListCharacter

LIST_LENGTH = 20
"""Cut-off of every figure."""


class Group(StrEnum):
    """Cases that are reported apart; the value is their key in a report."""

    REPEAT = "repeat"
    """The listener played the target before; in text sessions, the prefix holds it."""
    NEW = "new"
    """They did not."""
    UNHEARD = "unheard"
    """Nobody did."""
    EARLY = "early"
    """The session holds one track so far."""
    COMPLETED = "completed"
    """The target was heard to its end."""
    SKIPPED = "skipped"
    """The target was skipped: here a hit is a fault."""


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
    """What one model scored.

    Attributes:
        all: over all cases.
        groups: over the cases of each group.
        firsts: over so many first cases each, where somebody asked for that: what is learned fast shows early.
        units: the same per listener: over the listeners, an interval of confidence is drawn.
        listed: tracks that were ever in a list.
        lists: what the lists are like.
        times_s: how long each list took.
    """

    all: HitCounter = field(default_factory=HitCounter)
    groups: dict[Group, HitCounter] = field(default_factory=lambda: {group: HitCounter() for group in Group})
    firsts: dict[int, HitCounter] = field(default_factory=dict)
    units: dict[int, HitCounter] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)
    lists: ListCharacter = field(default_factory=ListCharacter)
    times_s: list[float] = field(default_factory=list)

    def count(self, rank: int, groups: Iterable[Group], *, unit: int) -> None:
        """Count one case of listener `unit`."""
        self.all.count(rank)
        for most, counter in self.firsts.items():
            if counter.cases < most:
                counter.count(rank)
        for group in groups:
            self.groups[group].count(rank)
        self.units.setdefault(unit, HitCounter()).count(rank)

    def figures(self, known_tracks: int) -> dict[str, object]:
        """Return the figures by their published keys; coverage is the share of `known_tracks` ever listed."""
        times_ms = np.array(self.times_s or [0.0]) * 1e3
        return {
            "all": self.all.figures(),
            **{group.value: counter.figures() for group, counter in self.groups.items()},
            **({"first": [counter.figures() for counter in self.firsts.values()]} if self.firsts else {}),
            "hr_completed_minus_skipped": self._completed_minus_skipped(),
            "coverage@20": round(len(self.listed) / max(1, known_tracks), 6),
            **self.lists.figures(),
            "p50_ms": round(float(np.percentile(times_ms, 50)), 4),
            "p99_ms": round(float(np.percentile(times_ms, 99)), 4),
        }

    def _completed_minus_skipped(self) -> float | None:
        completed, skipped = self.groups[Group.COMPLETED], self.groups[Group.SKIPPED]
        if not completed.cases or not skipped.cases:
            return None
        return round(completed.hits / completed.cases - skipped.hits / skipped.cases, 6)
