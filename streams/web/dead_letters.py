"""Dead letters, counted by topic and reason, and the newest of them."""

from collections import Counter, deque
from typing import Final, TypedDict

from musicrec.contracts import DeadLetter

NEWEST: Final = 5
UNREADABLE: Final = "unreadable"


class DeadLetterCount(TypedDict):
    """How many of one kind."""

    topic: str
    """Topic that the message was refused from."""
    reason: str
    count: int


class DeadLetterLine(TypedDict):
    """One dead letter."""

    place: str
    """Topic, partition and offset of the message that was refused."""
    reason: str
    message: str
    """The field, the rule, the way out; never the payload."""
    at_ms: int


class DeadLettersView(TypedDict):
    """The panel."""

    total: int
    counts: list[DeadLetterCount]
    """Most frequent first."""
    newest: list[DeadLetterLine]
    """Newest first."""


class DeadLetters:
    """Counts since the page began to follow."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._newest: deque[DeadLetterLine] = deque(maxlen=NEWEST)

    def add(self, topic: str, letter: DeadLetter, now_ms: int) -> None:
        """Take one that was refused from `topic`.

        The topic is the one it lies beside, not what its headers say: the number of counters stays bounded.
        """
        place = f"{letter.original_topic}[{letter.original_partition}]@{letter.original_offset}"
        self._count(topic, letter.reason.value, place, letter.error_message, now_ms)

    def add_unreadable(self, topic: str, place: str, now_ms: int) -> None:
        """Take one whose headers do not say why, at `place` of the dead-letter topic."""
        self._count(topic, UNREADABLE, place, "its headers do not say why it was refused", now_ms)

    def _count(self, topic: str, reason: str, place: str, message: str, now_ms: int) -> None:
        self._counts[topic, reason] += 1
        self._newest.appendleft({"place": place, "reason": reason, "message": message, "at_ms": now_ms})

    def view(self) -> DeadLettersView:
        """Return the panel."""
        counts: list[DeadLetterCount] = [
            {"topic": topic, "reason": reason, "count": count} for (topic, reason), count in self._counts.most_common(8)
        ]
        return {"total": self._counts.total(), "counts": counts, "newest": list(self._newest)}
