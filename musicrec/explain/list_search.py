"""A list that was published, sought from the newest backwards and no further than it is worth."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from musicrec.contracts import Recommendation
from musicrec.dead_letters.letter import Place
from musicrec.dead_letters.reader import Span, TopicReader
from musicrec.dead_letters.selection import ANY_OFFSET
from musicrec.errors import BadInput
from musicrec.topics import RECOMMENDATIONS

CHUNK: Final = 500
"""Messages read at a time, 2 MB: few for nothing where the list is new, and few round trips where it is old."""
_LIST_ID: Final = re.compile(r"l_[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class Sought:
    """The newest list of a listener, or the list of an id."""

    name: str
    by_id: bool

    @classmethod
    def parse(cls, text: str, *, is_user: bool = False) -> "Sought":
        """Take a text for a list's id where it looks like one, unless it is said to be a listener's.

        >>> Sought.parse("l_0123456789abcdef01234567").by_id, Sought.parse("ann").by_id
        (True, False)
        """
        return cls(text, by_id=not is_user and _LIST_ID.fullmatch(text) is not None)

    def partitions(self, count: int) -> tuple[int, ...]:
        """Return where it can stand on a topic of so many partitions: a listener has one."""
        every = list(range(count))
        return tuple(every) if self.by_id else (DefaultPartitioner()(self.name.encode(), every, every),)

    def may_be(self, record: ConsumerRecord) -> bool:
        """Whether the message is worth decoding."""
        if self.by_id:
            return self.name.encode() in (record.value or b"")
        return bool(record.key == self.name.encode())

    def is_in(self, made: Recommendation) -> bool:
        """Whether it is this list."""
        return self.name == (made.list_id if self.by_id else made.user_id)


@dataclass(slots=True)
class Search:
    """What a search has come to."""

    partitions: tuple[int, ...] = ()
    """Where it was sought."""
    found: Recommendation | None = None
    place: Place | None = None
    looked_through: int = 0
    """Messages."""
    oldest_ms: int | None = None
    """When the oldest of them was published, epoch milliseconds."""
    unreadable: int = 0
    """Messages that may have been it and are no lists."""
    is_everything: bool = False
    """Nothing older is kept where it can stand."""


async def search(reader: TopicReader, sought: Sought, limit: int) -> Search:
    """Look for a list, the newest messages of each partition first, through about `limit` messages at most.

    Raises:
        Unavailable: the broker does not answer, or lacks the topic.
    """
    result = Search(partitions=sought.partitions(await reader.partitions(RECOMMENDATIONS.name)))
    everywhere = (TopicPartition(RECOMMENDATIONS.name, number) for number in result.partitions)
    left = await reader.existing([Span(partition, 0, ANY_OFFSET) for partition in everywhere])
    while left and result.looked_through < limit:
        heads = _newest_chunks(left, -(-(limit - result.looked_through) // len(left)))
        for span in heads:
            await _look_through(reader, span, sought, result)
            if result.found is not None:
                return result
        older = (Span(span.partition, span.start, head.start) for span, head in zip(left, heads, strict=True))
        left = [span for span in older if span.start < span.end]
    result.is_everything = not left
    return result


def _newest_chunks(spans: Iterable[Span], most: int) -> list[Span]:
    return [Span(span.partition, max(span.start, span.end - min(CHUNK, most)), span.end) for span in spans]


async def _look_through(reader: TopicReader, span: Span, sought: Sought, result: Search) -> None:
    """Keep the newest list of the span that is sought, where there is one."""
    async for record in reader.records([span]):
        result.looked_through += 1
        result.oldest_ms = record.timestamp if result.oldest_ms is None else min(result.oldest_ms, record.timestamp)
        if not sought.may_be(record):
            continue
        try:
            made = Recommendation.decode(record.value)
        except BadInput:
            result.unreadable += 1
            continue
        if sought.is_in(made):
            result.found, result.place = made, Place(record.topic, record.partition, record.offset)
