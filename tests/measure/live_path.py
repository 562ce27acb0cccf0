"""Listeners who publish and wait: for each event, how long it took until its list was there, open loop."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from pydantic_core import from_json

from musicrec.contracts import ListenEvent
from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, RECOMMENDATIONS, USER_PARTITIONS

MOST_UNDELIVERED = 5_000
"""Flat out, so many events wait for the broker at most."""


class Answer(NamedTuple):
    """One event and its list."""

    due_s: float
    """When the event was due, by `time.perf_counter`; with a rate that is kept, when it was published."""
    took_s: float
    partition: int


class LivePath:
    """Publishes groups of listeners' events and notes the answers; one producer, one reader."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer
        self._due: dict[str, tuple[str, float]] = {}
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        """By group."""
        self.delivered: dict[str, int] = defaultdict(int)
        self.lists = 0
        """All that came, of whatever listener."""

    @classmethod
    @asynccontextmanager
    async def on(cls, kafka: KafkaSettings) -> AsyncIterator["LivePath"]:
        """Give one that reads lists from now on."""
        options = kafka.client_options()
        async with (
            AIOKafkaProducer(**options, acks="all", enable_idempotence=True) as producer,
            AIOKafkaConsumer(**options, enable_auto_commit=False) as consumer,
        ):
            partitions = [TopicPartition(RECOMMENDATIONS.name, n) for n in range(RECOMMENDATIONS.partitions)]
            consumer.assign(partitions)
            for partition, end in (await consumer.end_offsets(partitions)).items():
                consumer.seek(partition, end)
            path = cls(producer, consumer)
            reader = asyncio.create_task(path._read())
            try:
                yield path
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def publish(
        self,
        group: str,
        events: Iterator[ListenEvent],
        *,
        rate_per_s: float | None = None,
        count: int | None = None,
        until: asyncio.Event | None = None,
        timed: bool = True,
    ) -> int:
        """Publish at a rate or flat out, so many events or until something happens; return how many.

        Event n is due at start + n / rate, whether or not earlier ones are through.

        Args:
            group: under which the answers are noted.
            events: of as many listeners as it likes.
            rate_per_s: None for as fast as the broker takes them.
            count: None for no end.
            until: ends it.
            timed: whether answers are noted.
        """
        sent: list[Awaitable[object]] = []
        began_s, number = time.perf_counter(), 0
        while (count is None or number < count) and not (until is not None and until.is_set()):
            event = next(events)
            due_s = time.perf_counter() if rate_per_s is None else began_s + number / rate_per_s
            while (wait_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            if timed:
                self._due[event.event_id] = (group, due_s)
            sent.append(await self._producer.send(LISTENS.name, event.encode(), key=event.user_id.encode()))
            number += 1
            if len(sent) >= MOST_UNDELIVERED:
                await asyncio.gather(*sent)
                self.delivered[group] += len(sent)
                sent.clear()
        await asyncio.gather(*sent)
        self.delivered[group] += len(sent)
        return number

    async def send_untimed(
        self, value: bytes | None, *, key: bytes | None, partition: int, headers: list[tuple[str, bytes]]
    ) -> None:
        """Hand any message over; what is published next follows it."""
        await self._producer.send(LISTENS.name, value, key=key, partition=partition, headers=headers)

    @property
    def unanswered(self) -> int:
        """Events that are timed and wait for their list."""
        return len(self._due)

    async def all_answered(self, deadline_s: float) -> None:
        """Wait for every answer.

        Raises:
            TimeoutError: some did not come.
        """
        async with asyncio.timeout(deadline_s):
            while self._due:
                await asyncio.sleep(0.05)

    async def _read(self) -> None:
        while True:
            found = await self._consumer.getmany(timeout_ms=200)
            now_s = time.perf_counter()
            for records in found.values():
                self.lists += len(records)
                for record in records if self._due else ():
                    self._note(record, now_s)
            await asyncio.sleep(0)

    def _note(self, record: ConsumerRecord, now_s: float) -> None:
        # Parsed without the contract's checks: the reader shares the processors with what it measures.
        value = from_json(record.value)
        if trigger := value.get("trigger"):
            for event_id in (trigger["event_id"], *value.get("passed_over", ())):
                if (waiting := self._due.pop(event_id, None)) is not None:
                    group, due_s = waiting
                    self.answers[group].append(Answer(due_s, now_s - due_s, record.partition))


def percentiles(answers: list[Answer]) -> str:
    """Return median, 99th percentile and worst, milliseconds."""
    if not answers:
        return "no answers"
    p50, p99, worst = np.percentile([answer.took_s * 1000 for answer in answers], (50, 99, 100))
    return f"p50 {p50:,.1f} ms, p99 {p99:,.1f} ms, worst {worst:,.1f} ms ({len(answers):,} events)"


def partition_of(user_id: str) -> int:
    """Return the partition of a listener, as every publisher's partitioner has it."""
    return int(DefaultPartitioner()(user_id.encode(), list(range(USER_PARTITIONS)), []))
