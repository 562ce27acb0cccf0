"""How long listeners waited for their lists, and what was going on meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from storm.schedule import Fault

WORTH_A_LOOK_MS: Final = 500
CALM: Final = "nothing"
SEVERAL: Final = "several at once"


@dataclass(frozen=True, slots=True)
class Window:
    """A fault that was done.

    Attributes:
        ended_ms: when it was over, epoch milliseconds; what it caused lasts longer.
    """

    fault: Fault
    began_ms: int
    ended_ms: int


class Wait(NamedTuple):
    """From an event's publication to its first list, epoch milliseconds."""

    began_ms: int
    ended_ms: int


def longest_by_fault(waits: Iterable[Wait], windows: Sequence[Window]) -> dict[str, int]:
    """Return the longest wait, milliseconds, by the one kind of fault that was on during it or just before.

    Waits that saw several kinds count as such: whose fault they are nobody can tell.
    """
    longest: dict[str, int] = {}
    for wait in waits:
        lasted_ms = wait.ended_ms - wait.began_ms
        if lasted_ms < WORTH_A_LOOK_MS:
            cause = CALM
        else:
            kinds = {w.fault for w in windows if w.began_ms <= wait.ended_ms and wait.began_ms <= w.ended_ms}
            cause = SEVERAL if len(kinds) > 1 else str(*kinds) if kinds else CALM
        longest[cause] = max(longest.get(cause, 0), lasted_ms)
    return longest


def waits_of(published_ms: Mapping[tuple[str, str], int], answered_ms: Mapping[tuple[str, str], int]) -> list[Wait]:
    """Return the waits of all events that were answered."""
    return [Wait(at_ms, answered_ms[event]) for event, at_ms in published_ms.items() if event in answered_ms]
