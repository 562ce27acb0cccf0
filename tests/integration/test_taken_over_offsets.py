"""Offsets that one group takes over from another, on a real broker."""

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from musicrec.local import StackAddresses
from musicrec.topics import LISTENS, REQUESTS
from streams.taken_over_offsets import take_over_offsets

pytestmark = pytest.mark.kafka

Offsets = dict[TopicPartition, int]

AT = TopicPartition(LISTENS.name, 3)
ASKED = TopicPartition(REQUESTS.name, 5)


def group(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def commit(stack: StackAddresses, name: str, offsets: Offsets) -> None:
    consumer = AIOKafkaConsumer(group_id=name, enable_auto_commit=False, **stack.kafka.client_options())
    consumer.assign(list(offsets))
    await consumer.start()
    try:
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


async def committed(stack: StackAddresses, name: str) -> Offsets:
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        return {p: at.offset for p, at in (await client.list_consumer_group_offsets(name)).items()}
    finally:
        await client.close()


async def test_new_group_begins_where_others_stand_in_the_topics_that_it_takes_from_each(
    stack: StackAddresses,
) -> None:
    sessions, ranking, new = group("sessions"), group("ranking"), group("new")
    await commit(stack, sessions, {AT: 70})
    await commit(stack, ranking, {ASKED: 8, AT: 99})

    await take_over_offsets(stack.kafka, new, {LISTENS: sessions, REQUESTS: ranking})

    assert await committed(stack, new) == {AT: 70, ASKED: 8}


async def test_group_that_has_been_there_before_keeps_its_offsets(stack: StackAddresses) -> None:
    former, own = group("former"), group("own")
    await commit(stack, former, {AT: 70})
    await commit(stack, own, {AT: 80})

    await take_over_offsets(stack.kafka, own, {LISTENS: former})

    assert await committed(stack, own) == {AT: 80}


async def test_group_that_has_members_keeps_its_offsets(stack: StackAddresses) -> None:
    former, own = group("former"), group("own")
    await commit(stack, former, {AT: 70})
    member = AIOKafkaConsumer(LISTENS.name, group_id=own, enable_auto_commit=False, **stack.kafka.client_options())
    await member.start()
    try:
        async with asyncio.timeout(30):
            while not member.assignment():
                await asyncio.sleep(0.05)
        await take_over_offsets(stack.kafka, own, {LISTENS: former})
        assert await committed(stack, own) == {}
    finally:
        await member.stop()


async def test_where_nobody_has_been_before_nothing_is_committed(stack: StackAddresses) -> None:
    new = group("new")

    await take_over_offsets(stack.kafka, new, {LISTENS: group("nobody")})

    assert await committed(stack, new) == {}
