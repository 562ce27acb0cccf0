"""The broker goes away and comes back under a follower."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from conftest import skip_or_fail

from musicrec.errors import MusicrecError
from musicrec.local.kafka_server import KafkaServer
from musicrec.topic_follower import TopicFollower

pytestmark = pytest.mark.kafka

TOPIC = "followed"


async def until(condition: Callable[[], bool], deadline_s: float = 60.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.05)


async def put(server: KafkaServer, values: Sequence[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=server.bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(TOPIC, value)
    finally:
        await producer.stop()


@pytest.mark.row(1)
async def test_follower_goes_on_after_a_broker_restart_and_handles_each_record_once(tmp_path: Path) -> None:
    server = KafkaServer(tmp_path)
    try:
        await server.start()
    except MusicrecError as error:
        skip_or_fail(f"no Kafka: {error}")
    seen: list[bytes] = []

    def handler(records: Sequence[ConsumerRecord]) -> None:
        seen.extend(record.value for record in records)

    follower = TopicFollower({"bootstrap_servers": [server.bootstrap_servers]}, [TOPIC], handler)
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC, 2, 1)])
        await admin.close()
        await put(server, [b"before %d" % number for number in range(10)])
        follower.start()
        await follower.ready(30)
        await server.stop()
        await asyncio.sleep(2)  # long enough for requests in flight to fail
        await server.start()
        await put(server, [b"after %d" % number for number in range(10)])
        await until(lambda: len(seen) >= 20)
    finally:
        await follower.stop()
        await server.stop()
    expected = [b"before %d" % number for number in range(10)] + [b"after %d" % number for number in range(10)]
    assert sorted(seen) == sorted(expected)
