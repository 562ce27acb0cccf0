"""How often the next listen stood in the list before it: the online hit rate, so far and lately."""

from collections import deque
from typing import Final, TypedDict

from musicrec.contracts import Outcome

K: Final = 20
RECENT: Final = 500
REMEMBERED_EVENTS: Final = 10_000
"""An outcome that comes again after a restart of its agent counts once, as long as its event is remembered."""


class HitRateView(TypedDict):
    """hit rate@20 for the page; rates are None where there is nothing to divide by."""

    listens: int
    """Listens that had a list before them, so far."""
    rate: float | None
    """Share of them whose track stood among the first 20."""
    recent_listens: int
    recent_rate: float | None
    """Over the newest 500 of them."""
    hits_skipped: float | None
    """Share of the hits that were then skipped."""
    misses_skipped: float | None
    """Share of the other listens that were skipped."""


class HitRate:
    """hit rate@20 over listens that had a list before them; an empty list is a miss, a listen without list none."""

    def __init__(self) -> None:
        self._listens = {True: 0, False: 0}
        self._skips = {True: 0, False: 0}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._seen: dict[str, None] = {}

    def add(self, outcome: Outcome) -> bool:
        """Take one outcome; return False where it does not count: without a list, or counted before."""
        if outcome.list_id is None or outcome.event_id in self._seen:
            return False
        self._seen[outcome.event_id] = None
        if len(self._seen) > REMEMBERED_EVENTS:
            self._seen.pop(next(iter(self._seen)))
        hit = outcome.rank is not None and outcome.rank <= K
        self._listens[hit] += 1
        self._skips[hit] += outcome.outcome.is_skip
        self._recent.append(hit)
        return True

    def view(self) -> HitRateView:
        """Return the rates."""
        listens = self._listens[True] + self._listens[False]
        return {
            "listens": listens,
            "rate": _share(self._listens[True], listens),
            "recent_listens": len(self._recent),
            "recent_rate": _share(sum(self._recent), len(self._recent)),
            "hits_skipped": _share(self._skips[True], self._listens[True]),
            "misses_skipped": _share(self._skips[False], self._listens[False]),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
