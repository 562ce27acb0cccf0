"""Following whole topics on a real Kafka."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from probe import producing, publish

from musicrec.errors import Unavailable
from musicrec.local import StackAddresses
from musicrec.topic_follower import StartAt, TopicFollower

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0


class Collected:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[ConsumerRecord] = []

    def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        self.records.extend(records)

    @property
    def values(self) -> list[bytes]:
        return sorted(record.value for record in self.records)


async def create_topic(stack: StackAddresses, partitions: int = 2) -> str:
    name = f"follow-{uuid.uuid4()}"
    admin = AIOKafkaAdminClient(**stack.kafka.client_options())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()
    return name


async def put(stack: StackAddresses, topic: str, *values: bytes) -> None:
    async with producing(stack) as producer:
        await publish(producer, topic, [(value, value) for value in values])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def follower(stack: StackAddresses, topic: str, handler: Callable, **options: object) -> TopicFollower:
    return TopicFollower(stack.kafka.client_options(), [topic], handler, **options)


async def test_what_was_there_is_handled_before_it_is_ready_and_what_comes_later_follows(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack), Collected()
    await put(stack, topic, *(b"%04d" % number for number in range(1_000)))
    following = follower(stack, topic, collected)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert collected.values == [b"%04d" % number for number in range(1_000)]
        assert (following.lag, following.handled) == (0, 1_000)
        await put(stack, topic, b"later")
        await until(lambda: collected.values[-1] == b"later")
    finally:
        await following.stop()


async def test_follower_of_an_empty_topic_is_ready(stack: StackAddresses) -> None:
    following = follower(stack, await create_topic(stack), Collected())
    following.start()
    try:
        await following.ready(DEADLINE_S)
    finally:
        await following.stop()


@pytest.mark.row(13)
async def test_record_that_the_handler_fails_on_is_skipped_and_counted_and_the_others_are_not(
    stack: StackAddresses,
) -> None:
    topic, good = await create_topic(stack, partitions=1), set()

    def handler(records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.value.startswith(b"bad"):
                raise ValueError("this handler takes no bad record")
            good.add(record.value)

    await put(stack, topic, b"a", b"bad 1", b"b", b"bad 2", b"c")
    following = follower(stack, topic, handler)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert good == {b"a", b"b", b"c"}
        assert (following.handled, following.skipped) == (3, 2)
    finally:
        await following.stop()


async def test_held_follower_hands_nothing_over_and_keeps_its_positions(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack), Collected()
    await put(stack, topic, b"before")
    following = follower(stack, topic, collected)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        async with following.held():
            places = following.positions
            await put(stack, topic, b"meanwhile 1", b"meanwhile 2")
            await asyncio.sleep(1.0)  # four polls
            assert (collected.values, following.positions) == ([b"before"], places)
        await until(lambda: len(collected.records) == 3)
        assert sum(following.positions.values()) == sum(places.values()) + 2
    finally:
        await following.stop()


async def test_follower_goes_on_from_given_positions(stack: StackAddresses) -> None:
    topic, before, after = await create_topic(stack), Collected(), Collected()
    await put(stack, topic, b"a", b"b", b"c")
    first = follower(stack, topic, before)
    first.start()
    await first.ready(DEADLINE_S)
    await first.stop()
    await put(stack, topic, b"d", b"e")
    second = follower(stack, topic, after, start_at=StartAt(offsets=first.positions))
    second.start()
    try:
        await second.ready(DEADLINE_S)
        assert after.values == [b"d", b"e"]
    finally:
        await second.stop()


@pytest.mark.row(37)
async def test_positions_that_the_topic_does_not_have_are_reported_and_it_is_read_from_the_beginning(
    stack: StackAddresses,
) -> None:
    topic, collected, lost = await create_topic(stack, partitions=1), Collected(), []
    await put(stack, topic, b"a")
    start = StartAt(offsets={TopicPartition(topic, 0): 99})
    following = follower(stack, topic, collected, start_at=start, on_lost_place=lambda: lost.append("lost"))
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert (lost, collected.values) == (["lost"], [b"a"])
    finally:
        await following.stop()


async def test_follower_from_the_end_sees_only_what_comes_later(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack), Collected()
    await put(stack, topic, b"before")
    following = follower(stack, topic, collected, start_at=StartAt(end=True))
    following.start()
    try:
        await following.ready(DEADLINE_S)
        await put(stack, topic, b"later")
        await until(lambda: len(collected.records) > 0)
        assert collected.values == [b"later"]
    finally:
        await following.stop()


async def test_follower_from_a_time_leaves_out_what_is_older(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack), Collected()
    async with producing(stack) as producer:
        for hour in range(4):
            await producer.send_and_wait(topic, b"hour %d" % hour, timestamp_ms=1_760_000_000_000 + hour * 3_600_000)
    following = follower(stack, topic, collected, start_at=StartAt(since_ms=1_760_000_000_000 + 2 * 3_600_000))
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert collected.values == [b"hour 2", b"hour 3"]
    finally:
        await following.stop()


async def test_partitions_added_later_are_followed_and_nothing_is_read_twice(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack, partitions=1), Collected()
    await put(stack, topic, b"a", b"b")
    options = stack.kafka.client_options() | {"metadata_max_age_ms": 200}
    following = TopicFollower(options, [topic], collected)
    following.start()
    admin = AIOKafkaAdminClient(**stack.kafka.client_options())
    await admin.start()
    try:
        await following.ready(DEADLINE_S)
        await admin.create_partitions({topic: NewPartitions(total_count=3)})
        await until(lambda: len(following.positions) == 3)
        await put(stack, topic, *(b"later %d" % number for number in range(20)))
        await until(lambda: len(collected.records) >= 22)
        assert len(collected.values) == len(set(collected.values)) == 22
    finally:
        await admin.close()
        await following.stop()


async def test_partitions_that_are_not_chosen_are_not_fetched_and_go_on_where_they_were_left(
    stack: StackAddresses,
) -> None:
    topic, collected = await create_topic(stack, partitions=3), Collected()
    chosen = {0, 1}

    async def put_on_each(value: bytes) -> None:
        async with producing(stack) as producer:
            for number in range(3):
                await producer.send_and_wait(topic, b"%s %d" % (value, number), partition=number)

    await put_on_each(b"first")
    following = follower(stack, topic, collected, choose=lambda _, numbers: numbers & chosen)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert (collected.values, following.lag) == ([b"first 0", b"first 1"], 0)
        chosen.remove(1)
        await until(lambda: set(following.positions) == {TopicPartition(topic, 0)})
        await put_on_each(b"second")
        await until(lambda: b"second 0" in collected.values)
        assert (collected.values, following.lag) == ([b"first 0", b"first 1", b"second 0"], 0)
        chosen.update((1, 2))
        await until(lambda: len(collected.records) == 6)
        await put_on_each(b"third")
        await until(lambda: len(collected.records) >= 9)
        assert collected.values == sorted(b"%s %d" % (v, n) for v in (b"first", b"second", b"third") for n in range(3))
    finally:
        await following.stop()


async def test_place_of_a_partition_that_is_chosen_later_is_where_it_begins(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack, partitions=2), Collected()
    async with producing(stack) as producer:
        for value in (b"known", b"new"):
            await producer.send_and_wait(topic, value, partition=1)
    chosen, start = {0}, StartAt(offsets={TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 1})
    following = follower(stack, topic, collected, start_at=start, choose=lambda _, numbers: numbers & chosen)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert collected.values == []
        chosen.add(1)
        await until(lambda: len(collected.records) > 0)
        assert collected.values == [b"new"]
    finally:
        await following.stop()


async def test_topic_that_does_not_exist_yet_is_waited_for_and_not_created(stack: StackAddresses) -> None:
    following = follower(stack, f"follow-{uuid.uuid4()}", Collected())
    following.start()
    try:
        with pytest.raises(Unavailable, match="not caught up"):
            await following.ready(1.0)
        assert following.reconnects >= 1
    finally:
        await following.stop()


async def test_broker_that_is_away_is_tried_again_until_the_deadline() -> None:
    following = TopicFollower({"bootstrap_servers": ["127.0.0.1:1"]}, ["nowhere"], Collected())
    following.start()
    try:
        with pytest.raises(Unavailable, match="not caught up"):
            await following.ready(1.0)
    finally:
        await following.stop()


async def until_end(stack: StackAddresses, partition: TopicPartition, offset: int) -> None:
    """Wait until a partition is so long: a broker writes the end of a transaction after it has said that it did."""
    consumer = AIOKafkaConsumer(**stack.kafka.client_options())
    await consumer.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (await consumer.end_offsets([partition]))[partition] < offset:
                await asyncio.sleep(0.05)
    finally:
        await consumer.stop()


async def test_offsets_without_a_record_at_the_end_do_not_hold_it_up(stack: StackAddresses) -> None:
    topic, collected = await create_topic(stack, partitions=1), Collected()
    options = stack.kafka.client_options() | {"transactional_id": topic}
    producer = AIOKafkaProducer(**options)
    await producer.start()
    try:
        async with producer.transaction():  # its commit takes an offset of its own
            await producer.send_and_wait(topic, b"a")
    finally:
        await producer.stop()
    await until_end(stack, TopicPartition(topic, 0), 2)
    following = follower(stack, topic, collected)
    following.start()
    try:
        await following.ready(DEADLINE_S)
        assert collected.values == [b"a"]
        assert following.positions == {TopicPartition(topic, 0): 2}
    finally:
        await following.stop()


async def turns_between_slices(stack: StackAddresses, **options: object) -> list[int]:
    """Return how many turns another task had between every two slices of a long catch-up."""
    topic = await create_topic(stack)
    await put(stack, topic, *(b"%d" % number for number in range(2_000)))
    turns_of_others, turns_seen_by_handler = 0, []

    def slow(records: Sequence[ConsumerRecord]) -> None:
        sum(number * number for number in range(2_000 * len(records)))
        turns_seen_by_handler.append(turns_of_others)

    async def other() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    task, following = asyncio.create_task(other()), follower(stack, topic, slow, **options)
    following.start()
    try:
        await following.ready(DEADLINE_S)
    finally:
        task.cancel()
        await following.stop()
    assert len(turns_seen_by_handler) > 5
    return [after - before for before, after in pairwise(turns_seen_by_handler)]


async def test_other_tasks_run_during_a_long_catch_up(stack: StackAddresses) -> None:
    assert min(await turns_between_slices(stack)) >= 1


async def test_follower_leaves_as_much_time_as_it_takes_while_somebody_has_more_urgent_work(
    stack: StackAddresses,
) -> None:
    without = median(await turns_between_slices(stack))
    assert median(await turns_between_slices(stack, gives_way=lambda: True)) > 10 * without
