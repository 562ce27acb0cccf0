"""The stack seen from outside: publish to topics, read them to their end, look into Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError

from musicrec.contracts import EventType, ListenEvent
from musicrec.local import StackAddresses
from musicrec.topics import TOPICS

PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}

NOW_MS = 1_760_000_000_000
"""Event time of the tests: fixed, in the past."""


def play(user: str, track: str, number: int, **fields: Any) -> ListenEvent:
    """Return the `number`-th play of a listener, three minutes after the one before."""
    values: dict[str, Any] = {
        "event_id": f"{user}-{number:06}",
        "user_id": user,
        "type": EventType.PLAY,
        "occurred_at_ms": NOW_MS + number * 180_000,
        "track_id": track,
        "ms_played": 170_000,
        "duration_ms": 180_000,
    }
    return ListenEvent(**(values | fields))


@asynccontextmanager
async def producing(stack: StackAddresses) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer with the settings that publishers are told to use."""
    producer = AIOKafkaProducer(**stack.kafka.client_options(), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(producer: AIOKafkaProducer, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Publish (key, value) pairs in order; wait for every delivery; return how many."""
    sent = [await producer.send(topic, value, key=key) for key, value in messages]
    await asyncio.gather(*sent)
    return len(sent)


async def publish_events(producer: AIOKafkaProducer, events: Sequence[ListenEvent]) -> int:
    """Publish listen events, keyed by listener."""
    return await publish(
        producer, "musicrec.listens.v1", [(event.user_id.encode(), event.encode()) for event in events]
    )


def partitions_of(*topics: str) -> list[TopicPartition]:
    """Return all partitions of some topics."""
    return [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS[topic])]


async def commit_ends(stack: StackAddresses, group: str, topics: Sequence[str], deadline_s: float = 40.0) -> None:
    """Let a group begin at the ends of topics, as `kafka-consumer-groups.sh --reset-offsets --to-latest` does.

    It can be done once the last of its members is gone; a static one is a while after it has ended.
    """
    consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **stack.kafka.client_options())
    consumer.assign(partitions_of(*topics))
    await consumer.start()
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                with suppress(CommitFailedError):
                    await consumer.commit(await consumer.end_offsets(partitions_of(*topics)))
                    return
                await asyncio.sleep(0.5)
    finally:
        await consumer.stop()


def about(*users: str) -> Callable[[ConsumerRecord], bool]:
    """Return whether a record is about one of these listeners: others use the same servers, before and beside."""
    keys = {user.encode() for user in users}
    return lambda record: record.key in keys


@asynccontextmanager
async def reading(
    stack: StackAddresses, *topics: str, only: Callable[[ConsumerRecord], bool] = lambda _: True
) -> AsyncIterator["Tail"]:
    """Give a reader of what comes onto `topics` from now on and passes `only`."""
    consumer = AIOKafkaConsumer(**stack.kafka.client_options(), enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(t, p) for t in topics for p in range(PARTITIONS[t])]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            consumer.seek(partition, end)
        yield Tail(consumer, only)
    finally:
        await consumer.stop()


class Tail:
    """The records since the reader was made, by topic."""

    def __init__(self, consumer: AIOKafkaConsumer, only: Callable[[ConsumerRecord], bool]) -> None:
        self._consumer = consumer
        self._only = only
        self.records: list[ConsumerRecord] = []

    def on(self, topic: str) -> list[ConsumerRecord]:
        """Return what came on one topic so far."""
        return [record for record in self.records if record.topic == topic]

    async def until(self, done: Callable[["Tail"], bool], deadline_s: float = 120.0) -> None:
        """Read until `done` holds.

        Raises:
            AssertionError: it does not hold at the deadline; says what came.
        """
        deadline = time.monotonic() + deadline_s
        while not done(self):
            if time.monotonic() > deadline:
                counts: dict[str, int] = {}
                for record in self.records:
                    counts[record.topic] = counts.get(record.topic, 0) + 1
                raise AssertionError(f"not reached in {deadline_s} s; so far {counts}")
            await self._take(timeout_ms=200)

    async def quiet(self, for_s: float = 1.0) -> None:
        """Read until nothing more has come for a while."""
        last = time.monotonic()
        while time.monotonic() - last < for_s:
            if await self._take(timeout_ms=100):
                last = time.monotonic()

    async def _take(self, timeout_ms: int) -> int:
        batches = (await self._consumer.getmany(timeout_ms=timeout_ms)).values()
        new = [record for batch in batches for record in batch if self._only(record)]
        self.records.extend(new)
        return len(new)
