"""A commit that comes a rebalance late changes nothing, and the stock client's still does."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from musicrec.local import StackAddresses
from streams.late_commits import LateCommits

pytestmark = [pytest.mark.kafka, pytest.mark.row(1)]

JOINED_S = 30.0


@asynccontextmanager
async def member(
    stack: StackAddresses, group: str, *, guarded: bool = True, listener: ConsumerRebalanceListener | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    """Give a client that has joined the group of one topic with the group's name."""
    options = stack.kafka.client_options() | {"metadata_max_age_ms": 1_000}  # the broker may not name the topic yet
    consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **options)
    await consumer.start()
    consumer.subscribe([group], listener=listener)
    try:
        if guarded:
            late = LateCommits(consumer._coordinator)
            consumer._coordinator._send_req, consumer._coordinator._do_commit_offsets = late.send, late.commit
        async with asyncio.timeout(JOINED_S):
            while not consumer.assignment():
                await asyncio.sleep(0.05)
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def topic(stack: StackAddresses) -> AsyncIterator[tuple[str, AIOKafkaAdminClient]]:
    """Give the name of a new topic of two partitions, and who can ask what is committed of it."""
    name = f"late-commits-{uuid.uuid4().hex[:8]}"
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        await client.create_topics([NewTopic(name, 2, 1)])
        yield name, client
    finally:
        await client.close()


def offset(name: str, value: int, partition: int = 0) -> dict[TopicPartition, OffsetAndMetadata]:
    return {TopicPartition(name, partition): OffsetAndMetadata(value, "")}


async def committed(client: AIOKafkaAdminClient, name: str) -> int:
    offsets = await client.list_consumer_group_offsets(name)
    return int(offsets[TopicPartition(name, 0)].offset)


@pytest.mark.parametrize(("guarded", "expected"), [(True, 9), (False, 5)])
async def test_who_was_expelled_from_a_group_that_is_empty_now_commits_nothing(
    stack: StackAddresses, guarded: bool, expected: int
) -> None:
    async with topic(stack) as (name, client), member(stack, name, guarded=guarded) as consumer:
        await consumer.commit(offset(name, 9))
        coordinator = consumer._coordinator
        assignment = consumer._subscription.subscription.assignment
        # As after a broker that was away for longer than the session lasts; and before the client has joined anew.
        coordinator._coordination_task.cancel()
        await coordinator._maybe_leave_group()
        if guarded:
            with pytest.raises(CommitFailedError, match="already rebalanced"):
                await coordinator.commit_offsets(assignment, offset(name, 5))
        else:
            await coordinator.commit_offsets(assignment, offset(name, 5))
        assert await committed(client, name) == expected


@pytest.mark.parametrize(("guarded", "expected"), [(True, 9), (False, 5)])
async def test_what_was_finished_of_an_old_assignment_is_not_committed_under_the_next(
    stack: StackAddresses, guarded: bool, expected: int
) -> None:
    async with topic(stack) as (name, client), member(stack, name, guarded=guarded) as consumer:
        await consumer.commit(offset(name, 3))
        old = consumer._subscription.subscription.assignment
        async with member(stack, name) as other, asyncio.timeout(JOINED_S):
            while len(other.assignment()) != 1 or len(consumer.assignment()) != 1:
                await asyncio.sleep(0.05)
            owner = other if TopicPartition(name, 0) in other.assignment() else consumer
            await owner.commit(offset(name, 9))
            if guarded:
                with pytest.raises(CommitFailedError, match="already rebalanced"):
                    await consumer._coordinator.commit_offsets(old, offset(name, 5))
            else:
                await consumer._coordinator.commit_offsets(old, offset(name, 5))
            assert await committed(client, name) == expected


class CommitsWhenRevoked(ConsumerRebalanceListener):
    """Commits what was finished while the partitions are still its own, as Faust does."""

    def __init__(self, name: str) -> None:
        self.consumer: AIOKafkaConsumer | None = None
        self._name = name

    async def on_partitions_revoked(self, revoked: object) -> None:
        if revoked and self.consumer is not None:
            await self.consumer.commit(offset(self._name, 4))

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Go on."""


async def test_what_was_finished_is_committed_when_partitions_are_given_back(stack: StackAddresses) -> None:
    async with topic(stack) as (name, client):
        listener = CommitsWhenRevoked(name)
        async with member(stack, name, listener=listener) as consumer:
            await consumer.commit(offset(name, 3))
            listener.consumer = consumer
            async with member(stack, name):
                assert await committed(client, name) == 4
            listener.consumer = None
