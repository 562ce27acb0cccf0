"""How long listeners waited for their lists, and what was going on meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from storm.schedule import Fault

WORTH_A_LOOK_MS: Final = 500
LINGERS_MS: Final = 15_000
"""How long after a fault a wait may still be its consequence: a session timeout, a restart, a rebalance."""
CALM: Final = "nothing"
SEVERAL: Final = "several at once"


@dataclass(frozen=True, slots=True)
class Window:
    """A fault that was done.

    Attributes:
        ended_ms: when it was over, epoch milliseconds; what it caused lasts longer.
        whom: what it befell, where that was open.
    """

    fault: Fault
    began_ms: int
    ended_ms: int
    whom: str = ""


class Wait(NamedTuple):
    """From an event's publication to its first list, epoch milliseconds."""

    began_ms: int
    ended_ms: int
    event_id: str

    @property
    def lasted_ms(self) -> int:
        """How long it was."""
        return self.ended_ms - self.began_ms


def waits_of(published_ms: Mapping[tuple[str, str], int], answered_ms: Mapping[tuple[str, str], int]) -> list[Wait]:
    """Return the waits of all events that were answered."""
    return [Wait(at_ms, answered_ms[event], event[1]) for event, at_ms in published_ms.items() if event in answered_ms]


def causes(wait: Wait, windows: Sequence[Window]) -> set[Fault]:
    """Return the kinds of fault that were on during a wait; if there were none, the last one just before it."""
    on = {w.fault for w in windows if w.began_ms <= wait.ended_ms and wait.began_ms <= w.ended_ms}
    if on:
        return on
    before = [w for w in windows if wait.began_ms - LINGERS_MS <= w.ended_ms < wait.began_ms]
    return {max(before, key=lambda w: w.ended_ms).fault} if before else set()


def longest_by_fault(waits: Iterable[Wait], windows: Sequence[Window]) -> dict[str, int]:
    """Return the longest wait, milliseconds, by the one kind of fault that explains it.

    Waits that saw several kinds count as such: whose fault they are nobody can tell.
    """
    longest: dict[str, int] = {}
    for wait in waits:
        kinds = causes(wait, windows) if wait.lasted_ms >= WORTH_A_LOOK_MS else set()
        cause = SEVERAL if len(kinds) > 1 else str(*kinds) if kinds else CALM
        longest[cause] = max(longest.get(cause, 0), wait.lasted_ms)
    return longest


def worst(waits: Iterable[Wait], count: int = 8) -> list[Wait]:
    """Return the longest waits, one of each ten seconds: a stall has many."""
    longest: dict[int, Wait] = {}
    for wait in waits:
        of = wait.ended_ms // 10_000
        if of not in longest or wait.lasted_ms > longest[of].lasted_ms:
            longest[of] = wait
    return sorted(longest.values(), key=lambda wait: -wait.lasted_ms)[:count]
