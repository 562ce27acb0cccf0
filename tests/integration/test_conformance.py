"""`musicrec conformance` against topics that foreign publishers write: librdkafka as it comes, and as it has to be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Producer
from services import REFUSED, command

from musicrec.contracts import EventType, ListenEvent
from musicrec.local import StackAddresses
from musicrec.topics import LISTENS

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def own_topic(stack: StackAddresses, name: str) -> AsyncIterator[str]:
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        await client.create_topics([NewTopic(name, LISTENS.partitions, 1, topic_configs=LISTENS.config)])
        yield name
        await client.delete_topics([name])
    finally:
        await client.close()


def events(count: int) -> Iterator[ListenEvent]:
    """Plays that end now, three minutes each, of ten listeners."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(count):
        yield ListenEvent(
            event_id=f"e{number}",
            user_id=f"listener {number % 10}",
            type=EventType.PLAY if number % 7 else EventType.SKIP,
            track_id=f"t{number}",
            occurred_at_ms=now_ms - (count - number) // 10 * 180_000,
            ms_played=180_000,
            duration_ms=180_000,
        )


def publish(stack: StackAddresses, topic: str, *, count: int = 300, **settings: Any) -> None:
    # Without it a batch that is sent again, as the first of a new topic may be, comes behind the later ones in flight.
    in_order = {"enable.idempotence": True}
    producer = Producer({"bootstrap.servers": stack.kafka.bootstrap_servers, **in_order, **settings})
    for event in events(count):
        producer.produce(topic, value=event.encode(), key=event.user_id.encode())
    assert producer.flush(60) == 0


async def test_a_publisher_on_librdkafka_is_told_of_its_partitioner_and_passes_with_the_right_one(
    stack: StackAddresses, tmp_path: Path
) -> None:
    async with own_topic(stack, "acme.listens.v1") as topic, own_topic(stack, "acme.listens.v2") as mended:

        async def said(*arguments: str) -> tuple[int, dict[str, Any]]:
            status, said = await command(stack, tmp_path, "conformance", "--json", *arguments)
            return status, {finding["check"]: finding for finding in json.loads(said)}

        await asyncio.to_thread(publish, stack, topic)
        status, found = await said("--topic", topic)
        assert (status, {check for check, each in found.items() if each["verdict"] == "fails"}) == (1, {"partitioner"})
        assert "partitioner=murmur2_random" in found["partitioner"]["said"]
        await asyncio.to_thread(publish, stack, mended, partitioner="murmur2_random")
        # Whoever looks at the newest alone reads no more than it has to.
        status, found = await said("--topic", mended, "--last", "100")
        assert (status, {each["verdict"] for each in found.values()}) == (0, {"holds"})
        assert "in all of 1" in found["key"]["said"]
        following = asyncio.create_task(said("--topic", mended, "--follow", "8"))
        for _ in range(8):
            await asyncio.sleep(1)
            await asyncio.to_thread(publish, stack, mended, count=10, partitioner="murmur2_random")
        status, found = await following
        assert (status, found["event ids"]["verdict"], found["key"]["verdict"]) == (1, "fails", "holds")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_what_a_publisher_compresses_is_read(codec: str, stack: StackAddresses, tmp_path: Path) -> None:
    """A codec that a worker cannot read would end it at every start."""
    async with own_topic(stack, f"acme.{codec}.v1") as topic:
        await asyncio.to_thread(publish, stack, topic, **{"partitioner": "murmur2_random", "compression.type": codec})
        status, said = await command(stack, tmp_path, "conformance", "--topic", topic)
        assert status == 0, said


async def test_a_topic_that_is_not_there_is_named(stack: StackAddresses, tmp_path: Path) -> None:
    status, said = await command(stack, tmp_path, "conformance", "--topic", "acme.lisstens.v1")
    assert (status, "acme.lisstens.v1" in said, "Traceback" in said) == (REFUSED, True, False)
