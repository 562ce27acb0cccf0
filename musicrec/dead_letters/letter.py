"""One dead letter as it lies in its topic, and where it came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from musicrec.contracts import DeadLetter
from musicrec.contracts.dead_letter import HEADER_PREFIX
from musicrec.errors import BadInput
from musicrec.topics import DEAD_LETTERS, RECORD_TOPICS, Topic

UNREADABLE: Final = "unreadable"
"""Shown as the reason where the headers do not say one."""

Headers = Sequence[tuple[str, bytes | None]]

SOURCES: Final[Mapping[str, Topic]] = {topic.dead_letters: topic for topic in RECORD_TOPICS}
"""Topic that the letters of each dead-letter topic came from."""

_PLACE: Final = re.compile(r"([a-z0-9.-]{1,249})\[(\d{1,9})\]@(\d{1,18})", re.ASCII)


class Place(NamedTuple):
    """Where a message stands, written as logs and the live page write it: `topic[partition]@offset`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read a place.

        Raises:
            BadInput: it is not written so, or the topic is not ours.

        >>> Place.parse("musicrec.listens.v1.dlq[3]@17")
        Place(topic='musicrec.listens.v1.dlq', partition=3, offset=17)
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise BadInput(f"{text!r} is no place; it is written like {DEAD_LETTERS[0].name}[3]@17, in quotes")
        place = cls(found[1], int(found[2]), int(found[3]))
        if not any(place.topic in (topic.name, SOURCES[topic.name].name) for topic in DEAD_LETTERS):
            raise BadInput(
                f"{text}: no dead letters are kept of it; those of {', '.join(t.name for t in DEAD_LETTERS)}"
            )
        return place


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.  All of it but `place` and `at_ms` comes from outside and can be anything."""

    place: Place
    """Where it lies."""
    at_ms: int
    """When it was put there, epoch milliseconds by Kafka's timestamp."""
    key: bytes | None
    """Key of the refused message, byte for byte."""
    value: bytes | None
    """Value of the refused message, byte for byte."""
    headers: Headers
    """Those of the refused message and the `dlq-` ones."""
    why: DeadLetter | None
    """What the `dlq-` headers say; None where they are missing, broken, or those of another topic."""
    fault: str = ""
    """What is wrong with the `dlq-` headers."""

    @property
    def source(self) -> Topic:
        """The topic it came from: the one that it lies beside, whatever its headers say."""
        return SOURCES[self.place.topic]

    @property
    def original(self) -> Place | None:
        """Where the refused message stood."""
        if self.why is None:
            return None
        return Place(self.why.original_topic, self.why.original_partition, self.why.original_offset)

    @property
    def reason(self) -> str:
        """Why it was refused, in one word."""
        return UNREADABLE if self.why is None else self.why.reason.value

    @property
    def message(self) -> str:
        """Why it was refused, in one sentence."""
        return self.fault if self.why is None else self.why.error_message

    @property
    def original_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers that the refused message had, without those that tell why it was refused."""
        return [(name, value) for name, value in self.headers if not name.startswith(HEADER_PREFIX)]


def letter_of(place: Place, *, at_ms: int, key: bytes | None, value: bytes | None, headers: Headers) -> Letter:
    """Return the letter that a message of a dead-letter topic is.  Nothing that it holds makes this fail."""
    why, fault = None, ""
    try:
        why = DeadLetter.from_headers(headers)
    except BadInput as error:
        fault = f"its headers do not say why it was refused: {error}"
    source = SOURCES[place.topic]
    if why is not None and why.original_topic != source.name:
        origin = f"{why.original_topic!r}, partition {why.original_partition}"
        why, fault = None, f"its headers say that it is from {origin}, and it lies in {place.topic}"
    return Letter(place, at_ms, key, value, tuple(headers), why, fault)
