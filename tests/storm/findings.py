"""What the oracle found: violations, each with its place and its time, so that logs can be laid beside it."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SHOWN_PER_INVARIANT: Final = 20


class Invariant(StrEnum):
    """What must hold, whatever befell the system."""

    NOTHING_LOST = "I1 every accepted event is applied or dead-lettered"
    NOTHING_TWICE = "I2 each event is applied once"
    SESSIONS = "I3 sessions end by the gap, whatever the order of arrival"
    ISOLATION = "I4 nobody's events change what another gets"
    LISTS = "I5 lists hold nothing that they must not hold, and answer each applied event"
    OFFSETS = "I6 offsets only grow, and reach the end"
    LETTERS = "I7 a dead letter is the message byte for byte, with the right reason"
    SAME_LIST = "I8 one list id has one content"
    BOUNDED = "I9 memory, files and keys are bounded"
    NO_SECRETS = "I10 no log names a listener"
    ALIVE = "workers end as they should, and come back"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be."""

    invariant: Invariant
    what: str
    place: str = ""
    """Topic, partition and offset."""
    at_ms: int | None = None
    """When the event was published, epoch milliseconds."""


class Findings:
    """All violations, counted; the first of each kind kept."""

    def __init__(self) -> None:
        self.counts: Counter[Invariant] = Counter()
        self.violations: list[Violation] = []

    def add(self, invariant: Invariant, what: str, place: str = "", at_ms: int | None = None) -> None:
        """Note a violation."""
        self.counts[invariant] += 1
        if self.counts[invariant] <= SHOWN_PER_INVARIANT:
            self.violations.append(Violation(invariant, what, place, at_ms))
