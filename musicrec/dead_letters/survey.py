"""What a replay would publish: how many letters of which kind, and which of them are superseded."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from musicrec.dead_letters.letter import Letter
from musicrec.dead_letters.reader import Span, TopicReader
from musicrec.dead_letters.selection import ANY_OFFSET

NewestOffsets = Mapping[tuple[TopicPartition, bytes], int]
"""Offset of the newest message of a key on its partition."""


@dataclass(slots=True)
class Survey:
    """Counts of letters, and what has to be known of compacted topics."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Letters by dead-letter topic and reason."""
    compacted: dict[TopicPartition, dict[bytes, int]] = field(default_factory=dict)
    """Partitions of compacted topics that letters came from: by key, the lowest offset of one."""

    def add(self, letter: Letter) -> None:
        """Take a letter in."""
        self.counts[letter.place.topic, letter.reason] += 1
        original = letter.original
        if letter.source.cleanup == "compact" and original is not None and letter.key is not None:
            offsets = self.compacted.setdefault(TopicPartition(original.topic, original.partition), {})
            offsets[letter.key] = min(original.offset, offsets.get(letter.key, original.offset))


async def newest_offsets(reader: TopicReader, survey: Survey) -> NewestOffsets:
    """Return the offsets of the newest messages on compacted topics that have the keys of surveyed letters.

    Raises:
        Unavailable: the broker does not give the messages.
    """
    newest: dict[tuple[TopicPartition, bytes], int] = {}
    spans = [Span(partition, min(keys.values()), ANY_OFFSET) for partition, keys in survey.compacted.items()]
    async for record in reader.records(await reader.existing(spans)):
        partition = TopicPartition(record.topic, record.partition)
        if record.key in survey.compacted[partition]:
            newest[partition, record.key] = record.offset
    return newest


def is_superseded(letter: Letter, newest: NewestOffsets) -> bool:
    """Whether a newer message with the letter's key stands on the compacted topic that the letter came from."""
    original = letter.original
    if original is None or letter.key is None:
        return False
    partition = TopicPartition(original.topic, original.partition)
    return newest.get((partition, letter.key), original.offset) > original.offset
