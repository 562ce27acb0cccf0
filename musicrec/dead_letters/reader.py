"""Messages of some partitions from one offset to another, read once and without a consumer group."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from musicrec.dead_letters.letter import Letter, Place, letter_of
from musicrec.dead_letters.selection import Selection
from musicrec.errors import Unavailable
from musicrec.kafka_access import count_partitions
from musicrec.settings import KafkaSettings

POLL_MS: Final = 500
DEADLINE_S: Final = 30.0
"""Longest wait for one message that has to be there."""


class Span(NamedTuple):
    """A part of a partition."""

    partition: TopicPartition
    start: int
    """Offset of its first message."""
    end: int
    """Offset after its last message."""

    @property
    def length(self) -> int:
        """Messages in it, at most: some offsets carry none."""
        return self.end - self.start


class TopicReader:
    """Reads what stands in topics now and ends; use it as an async context."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka, self._servers = kafka, kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            **kafka.client_options(), enable_auto_commit=False, auto_offset_reset="earliest"
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise Unavailable(f"Kafka at {self._servers} does not answer: {error!r}") from error
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._consumer.stop()

    async def spans(self, selection: Selection) -> list[Span]:
        """Return where the letters of a selection can lie, in its order, up to the ends of now.

        Raises:
            Unavailable: the broker does not answer, or lacks a topic.
        """
        spans = [
            Span(TopicPartition(topic.name, number), offsets.start, offsets.stop)
            for topic in selection.topics
            for number in range(await self.partitions(topic.name))
            if (offsets := selection.offsets_in(topic, number))
        ]
        return await self.existing(spans, since_ms=selection.since_ms)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            Incompatible: this user may not read it.
            Unavailable: the broker does not answer, or lacks the topic.
        """
        return await count_partitions(self._kafka, topic)

    async def existing(self, spans: Iterable[Span], *, since_ms: int = 0) -> list[Span]:
        """Cut spans down to the messages that are there now, put there at or after `since_ms`; leave out empty ones.

        Raises:
            Unavailable: the broker does not answer, or lacks a topic.
        """
        wanted = {span.partition: span for span in spans}
        try:
            missing = {partition.topic for partition in wanted} - await self._consumer.topics()
            if missing:
                raise Unavailable(
                    f"Kafka at {self._servers} shows no topic {min(missing)}: `musicrec topics` creates it; if it is "
                    "there, this user may not describe it"
                )
            starts: dict[Any, int] = await self._consumer.beginning_offsets(list(wanted))
            ends: dict[Any, int] = await self._consumer.end_offsets(list(wanted))
            if since_ms:
                found = await self._consumer.offsets_for_times(dict.fromkeys(wanted, since_ms))
                starts = {p: ends[p] if found.get(p) is None else found[p].offset for p in wanted}
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self._servers} does not say where the topics end: {error!r}") from error
        cut = [Span(p, max(s.start, starts[p]), min(s.end, ends[p])) for p, s in wanted.items()]
        return [span for span in cut if span.start < span.end]

    async def records(self, spans: Iterable[Span]) -> AsyncIterator[ConsumerRecord]:
        """Yield the messages of spans that `existing` returned, one span after the other.

        Raises:
            Unavailable: a message that has to be there does not come.
        """
        for span in spans:
            self._consumer.assign([span.partition])
            self._consumer.seek(span.partition, span.start)
            # By the consumer's place: the last offsets may carry no message (retention, transaction markers).
            while await self._place(span) < span.end:
                for record in await self._poll(span):
                    if record.offset < span.end:
                        yield record

    async def letters(self, spans: Iterable[Span], selection: Selection) -> AsyncIterator[Letter]:
        """Yield the letters of a selection."""
        async for record in self.records(spans):
            place = Place(record.topic, record.partition, record.offset)
            letter = letter_of(
                place, at_ms=record.timestamp, key=record.key, value=record.value, headers=record.headers
            )
            if selection.has(letter):
                yield letter

    async def _place(self, span: Span) -> int:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return int(await self._consumer.position(span.partition))
        except (TimeoutError, KafkaError) as error:
            raise Unavailable(f"Kafka at {self._servers} does not give {_name(span, span.start)}: {error!r}") from error

    async def _poll(self, span: Span) -> list[ConsumerRecord]:
        before = await self._place(span)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    batches = await self._consumer.getmany(span.partition, timeout_ms=POLL_MS)
                    records = [record for batch in batches.values() for record in batch]
                    if records or await self._place(span) > before:
                        return records
        except (TimeoutError, KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self._servers} does not give {_name(span, before)}: {error!r}") from error


def _name(span: Span, offset: int) -> str:
    return str(Place(span.partition.topic, span.partition.partition, offset))
