"""The one loop on a real broker, with a handler that fails in every way that it may."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from probe import NOW_MS, producing, publish

from musicrec.contracts import DeadLetter
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.local import StackAddresses
from musicrec.settings import AgentSettings, Settings
from musicrec.topics import LISTENS
from streams.batch_loop import BatchLoop
from streams.counters import Counters
from streams.express_lane import Haste
from streams.faust_app import App, new_app
from streams.messages import Decision, Handled, Incoming, Outgoing, dead_letter, unpublished
from streams.read_ahead import ReadAhead

pytestmark = pytest.mark.kafka

FOR_EVER = 1_000_000
QUIET_S = 5.0
"""Whoever fetches has fetched more by then."""


class Echo:
    """Publishes what it gets, fails on poison, and is told when something is away."""

    name = "echo"
    max_batch = 10

    def __init__(self, target: str) -> None:
        self.target = target
        self.away = 0
        """How often it still says that something is away."""
        self.failed = 0
        self.works_s = 0.0
        """For which each batch keeps the event loop."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        if any(message.value == b"poison" for message in batch):
            raise ZeroDivisionError("this handler has a bug")
        until_s = time.perf_counter() + self.works_s
        while time.perf_counter() < until_s:
            pass  # as ranking and session logic do
        return Decision([Outgoing(self.target, m.key, m.value, m.headers) for m in batch], self._save)

    def haste_of(self, value: bytes | None, timestamp_ms: int) -> Haste:
        return Haste.LIVE

    async def _save(self) -> None:
        if self.away:
            self.away -= 1
            self.failed += 1
            raise Unavailable("the store is away")


@asynccontextmanager
async def loop_on(
    stack: StackAddresses, handler: Echo, source: str, folder: Path, read_ahead_mb: int = 0
) -> AsyncIterator[App]:
    """Run the loop until the end of the block."""
    settings = AgentSettings(commit_interval_s=0.2, read_ahead_mb=read_ahead_mb)
    app = new_app(source, stack.kafka, settings, folder)
    loop = BatchLoop(app, source, handler, settings, Counters(handler.name))
    app.agent(app.topic(source, key_type=bytes, value_type=bytes, acks=True), name=source)(loop.consume)
    reader = ReadAhead(app, loop, Settings(kafka=stack.kafka, agent=settings))
    await app.start()
    reader.start()
    try:
        yield app
    finally:
        await reader.stop()
        await app.stop()
        await loop.close()


@asynccontextmanager
async def topics(
    stack: StackAddresses, source_partitions: int = 1
) -> AsyncIterator[tuple[str, str, AIOKafkaAdminClient]]:
    """Give a new source and target, the dead-letter topic beside them, and a client to ask for commits."""
    source = f"loop-{uuid.uuid4().hex[:8]}"
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        await client.create_topics([NewTopic(source, source_partitions, 1)])
        await client.create_topics([NewTopic(name, 1, 1) for name in (f"{source}.out", f"{source}.dlq")])
        yield source, f"{source}.out", client
    finally:
        await client.close()


async def read(stack: StackAddresses, topic: str, count: int) -> list[ConsumerRecord]:
    """Return the first `count` records of a topic, waiting for them."""
    consumer = AIOKafkaConsumer(topic, **stack.kafka.client_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def end_of(stack: StackAddresses, topic: str) -> int:
    """Return the offset of the next message of the topic's one partition."""
    consumer = AIOKafkaConsumer(**stack.kafka.client_options())
    await consumer.start()
    try:
        return int((await consumer.end_offsets([TopicPartition(topic, 0)]))[TopicPartition(topic, 0)])
    finally:
        await consumer.stop()


async def committed(client: AIOKafkaAdminClient, app: App, topic: str) -> int:
    found = (await client.list_consumer_group_offsets(app.conf.id)).get(TopicPartition(topic, 0))
    return 0 if found is None else int(found.offset)


async def until(done: Callable[[], object], deadline_s: float = 60.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not done():
            await asyncio.sleep(0.02)


@pytest.mark.row(13)
async def test_message_that_the_handler_fails_on_is_dead_lettered_and_all_others_go_on(
    stack: StackAddresses, tmp_path: Path
) -> None:
    values = [b"poison" if number == 4 else b"%d" % number for number in range(9)]
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        await publish(producer, source, [(b"key", value) for value in values])
        async with loop_on(stack, Echo(target), source, tmp_path) as app:
            passed = await read(stack, target, len(values) - 1)
            (refused,) = await read(stack, f"{source}.dlq", 1)
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(values):
                    await asyncio.sleep(0.1)
    assert [record.value for record in passed] == [value for value in values if value != b"poison"]
    letter = DeadLetter.from_headers(list(refused.headers))
    assert (letter.reason, letter.original_offset) == (DeadLetterReason.HANDLER_ERROR, 4)
    assert (refused.key, refused.value) == (b"key", b"poison")


class EchoTwice(Echo):
    """Handles what it publishes at once, as a second agent would, and fails on poison there."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        decision = Decision([Outgoing(self.target, m.key, m.value, m.headers) for m in batch])
        decision.then = Handled(*self._second(decision))
        return decision

    def _second(self, decision: Decision) -> tuple[list[Incoming], Decision]:
        taken = self._unpublished(decision)
        if any(message.value == b"poison" for message in taken):
            raise ZeroDivisionError("the second of two has a bug")
        refused = [message for message in taken if message.value == b"bad"]
        letters = [dead_letter(message, BadInput("bad"), app="second") for message in refused]
        return taken, Decision(letters)

    async def refuse(self, message: Incoming, reason: BadInput) -> Decision:
        decision = Decision([Outgoing(self.target, message.key, message.value, message.headers)], self._save)
        taken = self._unpublished(decision)
        decision.then = Handled(taken, Decision([dead_letter(taken[0], reason, app="second")]))
        return decision

    def _unpublished(self, decision: Decision) -> list[Incoming]:
        return unpublished(decision.messages, replace(LISTENS, name=self.target), NOW_MS)


@pytest.mark.row(13)
async def test_what_is_refused_of_a_message_before_it_is_published_is_dead_lettered_with_its_place(
    stack: StackAddresses, tmp_path: Path
) -> None:
    values = [{3: b"bad", 5: b"poison"}.get(number, b"%d" % number) for number in range(9)]
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        await client.create_topics([NewTopic(f"{target}.dlq", 1, 1)])
        await publish(producer, source, [(b"key", value) for value in values])
        async with loop_on(stack, EchoTwice(target), source, tmp_path) as app:
            passed = await read(stack, target, len(values))
            letters = await read(stack, f"{target}.dlq", 2)
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(values):
                    await asyncio.sleep(0.1)
        assert await end_of(stack, f"{source}.dlq") == 0
    assert sorted(record.value for record in passed) == sorted(values)
    stands = {record.value: record.offset for record in passed}
    for letter in letters:
        why = DeadLetter.from_headers(list(letter.headers))
        assert (why.original_topic, why.original_offset) == (target, stands[letter.value])
    assert {letter.value for letter in letters} == {b"bad", b"poison"}


@pytest.mark.row(6)
async def test_nothing_is_acknowledged_while_the_state_cannot_be_saved_and_all_is_afterwards(
    stack: StackAddresses, tmp_path: Path
) -> None:
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        handler = Echo(target)
        handler.away = 6
        await publish(producer, source, [(b"key", b"%d" % number) for number in range(5)])
        async with loop_on(stack, handler, source, tmp_path) as app:
            await until(lambda: handler.failed == 5)
            assert await committed(client, app, source) == 0
            async with asyncio.timeout(30):
                while await committed(client, app, source) < 5:
                    await asyncio.sleep(0.1)
        emitted = [record.value for record in await read(stack, target, await end_of(stack, target))]
    # Emitted before it was saved, so emitted at every attempt, each time in order.
    assert emitted.count(b"0") == 7
    assert list(dict.fromkeys(emitted)) == [b"%d" % number for number in range(5)]


@pytest.mark.row(3)
async def test_topic_that_takes_too_small_messages_is_named_and_nothing_is_lost_once_it_takes_them(
    stack: StackAddresses, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small, as_it_was = {"max.message.bytes": "100"}, {"max.message.bytes": "1000000"}
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        async with loop_on(stack, Echo(target), source, tmp_path) as app:
            await publish(producer, source, [(b"key", b"before")])
            await read(stack, target, 1)
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, target, small)])
            values = [b"before"]
            says = f"Kafka does not take what goes to {target}: [Error 10] MessageSizeTooLargeError; raise max.message"
            async with asyncio.timeout(30):  # the broker needs a moment to know
                while says not in caplog.text:
                    values.append(b"%d" % len(values) + b"." * 200)
                    await publish(producer, source, [(b"key", values[-1])])
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)
            assert await committed(client, app, source) < len(values)
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, target, as_it_was)])
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(values):
                    await asyncio.sleep(0.1)
        passed = [record.value for record in await read(stack, target, await end_of(stack, target))]
    assert list(dict.fromkeys(passed)) == values


@pytest.mark.row(6)
async def test_no_more_is_fetched_than_may_wait_however_long_nothing_is_finished(
    stack: StackAddresses, tmp_path: Path
) -> None:
    may_wait = AgentSettings().max_pending
    published = 30 * may_wait
    async with topics(stack, source_partitions=12) as (source, target, _):
        handler = Echo(target)
        handler.away, handler.max_batch = FOR_EVER, 500
        async with producing(stack) as producer:
            await publish(producer, source, [(b"%d" % n, bytes(300)) for n in range(published)])
        async with loop_on(stack, handler, source, tmp_path) as app:
            await until(lambda: len(app.consumer.unacked) >= may_wait)
            fetched = 0
            while fetched != (fetched := len(app.consumer.unacked)):
                await asyncio.sleep(QUIET_S)
            handler.away = 0
    print(f"{fetched} of {published} were fetched")
    # What was in memory when the queue was full comes still: Faust's own queue, and of each partition one fetch.
    assert may_wait <= fetched < published / 2


async def test_flood_of_one_key_does_not_hold_up_another_on_the_same_partition(
    stack: StackAddresses, tmp_path: Path
) -> None:
    flood = [(b"bot", b"%d" % number) for number in range(1_000)]
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        await publish(producer, source, [*flood, (b"ada", b"hello")])
        async with loop_on(stack, Echo(target), source, tmp_path) as app:
            passed = await read(stack, target, len(flood) + 1)
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(flood) + 1:
                    await asyncio.sleep(0.1)
    assert [record.value for record in passed if record.key == b"bot"] == [value for _, value in flood]
    assert [record.key for record in passed].index(b"ada") < len(flood) / 4


async def test_flood_on_one_partition_does_not_hold_up_what_comes_later_on_another(
    stack: StackAddresses, tmp_path: Path
) -> None:
    flood = [(b"bot", b"%d" % number) for number in range(2_000)]
    async with topics(stack, source_partitions=2) as (source, target, _), producing(stack) as producer:
        handler = Echo(target)
        handler.works_s = 0.02
        await asyncio.gather(*[await producer.send(source, v, key=k, partition=0) for k, v in flood])
        async with loop_on(stack, handler, source, tmp_path):
            await read(stack, target, 1)
            await producer.send_and_wait(source, b"hello", key=b"ada", partition=1)
            passed = await read(stack, target, len(flood) + 1)
    assert [record.key for record in passed].index(b"ada") < len(flood) / 4


async def test_listener_overtakes_a_bot_that_has_published_more_in_a_moment_than_the_queue_holds(
    stack: StackAddresses, tmp_path: Path
) -> None:
    flood = [(b"bot", b"%1000d" % number) for number in range(8_000)]
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        handler = Echo(target)
        handler.works_s = 0.01
        await publish(producer, source, [*flood, (b"ada", b"hello")])
        async with loop_on(stack, handler, source, tmp_path, read_ahead_mb=64) as app:
            passed = await read(stack, target, len(flood) + 1)
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(flood) + 1:
                    await asyncio.sleep(0.1)
    assert [record.value for record in passed if record.key == b"bot"] == [value for _, value in flood]
    assert [record.key for record in passed].index(b"ada") < len(flood) / 2


HOUR_MS = 3_600_000


@pytest.mark.parametrize(("read_ahead_mb", "overtakes"), [(64, True), (0, False)])
async def test_listeners_who_are_there_now_overtake_a_lag_each_with_what_waits_of_them(
    stack: StackAddresses, tmp_path: Path, read_ahead_mb: int, overtakes: bool
) -> None:
    lag = [(b"listener-%d" % (number % 300), b"%d" % number) for number in range(8_000)]
    new, known = (b"new", b"hello"), (b"listener-299", b"hello again")
    async with topics(stack) as (source, target, client), producing(stack) as producer:
        handler = Echo(target)
        handler.works_s = 0.01
        hour_ago_ms = time.time_ns() // 1_000_000 - HOUR_MS
        sent = [await producer.send(source, value, key=key, timestamp_ms=hour_ago_ms) for key, value in lag]
        await asyncio.gather(*sent)
        async with loop_on(stack, handler, source, tmp_path, read_ahead_mb) as app:
            await read(stack, target, 1)
            await publish(producer, source, [new, known])
            passed = await read(stack, target, len(lag) + 2)
            async with asyncio.timeout(30):
                while await committed(client, app, source) < len(lag) + 2:
                    await asyncio.sleep(0.1)
        assert await end_of(stack, target) == len(lag) + 2  # nothing twice
    done = [(record.key, record.value) for record in passed]
    assert sorted(done) == sorted([*lag, new, known])
    for key in {key for key, _ in lag}:
        assert [each for each in done if each[0] == key] == [each for each in [*lag, known] if each[0] == key]
    assert [done.index(each) < len(lag) / 2 for each in (new, known)] == [overtakes, overtakes]
