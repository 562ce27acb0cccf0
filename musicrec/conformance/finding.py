"""What a check has come to."""

from enum import StrEnum
from typing import Final, NamedTuple


class Verdict(StrEnum):
    """How bad it is."""

    HOLDS = "holds"
    WARNS = "warns"
    """It is taken, and hardly what the publisher means."""
    FAILS = "fails"
    """Messages are refused, or a listener's events get out of order."""
    UNSEEN = "unseen"
    """Nothing to judge by."""


class Check(StrEnum):
    """What is looked at."""

    KEY = "key"
    PARTITIONER = "partitioner"
    VALUE = "value"
    UNKNOWN_FIELDS = "unknown fields"
    CLOCK = "clock"
    ORDER = "order"
    LISTENS = "ends of listens"
    LENGTHS = "lengths"
    EVENT_IDS = "event ids"


class Finding(NamedTuple):
    """The result of one check."""

    check: Check
    verdict: Verdict
    said: str
    """One line: what was seen, and the way out where something is wrong."""
    examples: tuple[str, ...] = ()
    """Places of messages, with what is wrong with each."""


MOST_EXAMPLES: Final = 3
