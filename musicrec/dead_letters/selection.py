"""Which dead letters are meant: by topic, reason, time and place.

Their order is that of the table of topics, then partition, then offset.  Letters of one listener lie on one partition,
so it is also the order in which each listener's messages came; and every place in it is a place to go on from.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from musicrec.dead_letters.letter import SOURCES, Letter, Place
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.moments import moment_ms
from musicrec.topics import DEAD_LETTERS, Topic

UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
ANY_OFFSET: Final = 2**62
"""Beyond the end of every partition."""
NOWHERE: Final = range(0)
_NUMBERS: Final = {topic.name: number for number, topic in enumerate(DEAD_LETTERS)}


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of dead letters; by default all."""

    topics: tuple[Topic, ...] = DEAD_LETTERS
    """Dead-letter topics."""
    reasons: frozenset[DeadLetterReason] = frozenset()
    """Those refused for one of these; for any where it is empty."""
    since_ms: int = 0
    """Those put there at or after this, epoch milliseconds."""
    places: frozenset[Place] = frozenset()
    """Those that lie at, or came from, one of these; anywhere where it is empty."""
    after: Place | None = None
    """Those that come after this place of a dead-letter topic."""

    def has(self, letter: Letter) -> bool:
        """Whether the letter is one of them."""
        return (
            any(letter.place.topic == topic.name for topic in self.topics)
            and (not self.reasons or (letter.why is not None and letter.why.reason in self.reasons))
            and letter.at_ms >= self.since_ms
            and (not self.places or letter.place in self.places or letter.original in self.places)
            and (self.after is None or order(letter.place) > order(self.after))
        )

    def _may_hold(self, topic: str) -> bool:
        return any(topic == chosen.name for chosen in self.topics)

    def offsets_in(self, topic: Topic, partition: int) -> range:
        """Return offsets outside of which a partition of a dead-letter topic holds none of them."""
        if topic not in self.topics:
            return NOWHERE
        first, end = 0, ANY_OFFSET
        if self.after is not None and order(self.after) >= order(Place(topic.name, partition, 0)):
            first = self.after.offset + 1 if (topic.name, partition) == self.after[:2] else end
        named = {place.topic for place in self.places}
        if named and SOURCES[topic.name].name not in named:
            here = [place.offset for place in self.places if place[:2] == (topic.name, partition)]
            first, end = max(first, min(here, default=end)), max(here, default=-1) + 1
        return range(first, max(first, end))


def order(place: Place) -> tuple[int, int, int]:
    """Return what places of dead-letter topics are ordered by."""
    return _NUMBERS[place.topic], place.partition, place.offset


def dead_letter_topics(names: Collection[str]) -> tuple[Topic, ...]:
    """Return dead-letter topics by their names or those of the topics that they belong to; all where none is named.

    Raises:
        BadInput: no dead letters are kept of one; names those of which they are.
    """
    known = {name: topic for topic in DEAD_LETTERS for name in (topic.name, SOURCES[topic.name].name)}
    for name in names:
        if name not in known:
            raise BadInput(
                f"{name!r} has no dead letters; {', '.join(SOURCES[t.name].name for t in DEAD_LETTERS)} have"
            )
    chosen = {known[name].name for name in names}
    return tuple(topic for topic in DEAD_LETTERS if not chosen or topic.name in chosen)


def since_ms(text: str, now_ms: int) -> int:
    """Return the moment that a duration before now, a date (UTC) or a time with its zone names, epoch milliseconds.

    Raises:
        BadInput: it is none of them.

    >>> since_ms("2h", 10_000_000), since_ms("1970-01-02", 0), since_ms("1970-01-01T00:00:01+00:00", 0)
    (2800000, 86400000, 1000)
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return max(0, now_ms - int(duration[1]) * UNIT_MS[duration[2]])
    return moment_ms(text, "30m, 2h, 7d, ")
