"""What the guarded driver prevents, and that the stock one still does it: when it no longer does, the guard can go."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupLoadInProgressError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3
from faust.transport.drivers.aiokafka import Transport as StockTransport
from probe import producing, publish

from musicrec.local import StackAddresses
from musicrec.settings import AgentSettings
from streams.consumer_groups import consumer_group
from streams.faust_app import App, new_app
from streams.gathering import Gathering
from streams.liveness import unready
from streams.vitals import Phase, Vitals

pytestmark = pytest.mark.kafka

EVENTS, HELD = 8, 3
MANY, FEW = 1_000, 5


class StockApp(App):
    """Our settings on Faust's own driver."""

    def _new_transport(self) -> Any:
        return StockTransport(self.conf.broker_consumer, self)


@asynccontextmanager
async def admin(stack: StackAddresses) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def working(app: App, topic: str, agent: Callable[[Any], Awaitable[None]]) -> AsyncIterator[None]:
    """Let an agent work on the messages of a topic."""
    app.agent(app.topic(topic, key_type=bytes, value_type=bytes, acks=True), name=f"{agent.__name__}.{topic}")(agent)
    await app.start()
    try:
        yield
    finally:
        await app.stop()


async def until_there_are(count: int, taken: Sequence[Any]) -> None:
    async with asyncio.timeout(60):
        while len(taken) < count:
            await asyncio.sleep(0.05)


async def committed_while_one_is_in_flight(stack: StackAddresses, app: App, topic: str) -> int:
    """Let an agent acknowledge all events but one; return what the broker was told to be finished."""
    seen: list[Any] = []  # Faust knows an event in flight by a weak reference: whoever handles it holds it

    async def hold_one(stream: Any) -> None:
        async for event in stream.noack().events():
            seen.append(event)
            if event.message.offset != HELD:
                event.ack()

    async with working(app, topic, hold_one):
        try:
            await until_there_are(EVENTS, seen)
            await asyncio.sleep(3 * app.conf.broker_commit_interval)
            async with admin(stack) as client:
                offsets = await client.list_consumer_group_offsets(app.conf.id)
            return int(offsets[TopicPartition(topic, 0)].offset)
        finally:
            for event in seen:
                event.ack()  # a stop waits for what is in flight


@pytest.mark.row(10)
@pytest.mark.parametrize(("driver", "expected"), [(App, HELD), (StockApp, EVENTS)])
async def test_commit_does_not_pass_an_event_in_flight(
    driver: type[App], expected: int, stack: StackAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{driver.__name__.lower()}-{uuid.uuid4().hex[:8]}"
    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
    monkeypatch.setattr("streams.faust_app.App", driver)
    app = new_app(name, stack.kafka, AgentSettings(commit_interval_s=0.5), tmp_path)
    assert isinstance(app, faust.App)
    assert app.conf.id == consumer_group(name)
    assert await committed_while_one_is_in_flight(stack, app, name) == expected


@pytest.mark.row(10)
@pytest.mark.parametrize(("driver", "expected"), [(App, EVENTS), (StockApp, EVENTS + 1)])
async def test_what_a_stream_without_compiled_parts_passes_over_is_not_committed(
    driver: type[App], expected: int, stack: StackAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"passed-over-{driver.__name__.lower()}-{uuid.uuid4().hex[:8]}"
    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
    monkeypatch.setattr("streams.faust_app.App", driver)
    monkeypatch.setattr("faust.streams._CStreamIterator", None)
    app = new_app(name, stack.kafka, AgentSettings(commit_interval_s=0.5), tmp_path)
    streams: list[Any] = []
    taken: list[Any] = []

    async def take(stream: Any) -> None:
        streams.append(stream)
        async for event in stream.noack().events():
            taken.append(event)
            event.ack()

    async with working(app, name, take):
        await until_there_are(EVENTS, taken)
        # What lies in Faust's queue when partitions are handed around is of the assignment before.
        last = taken[-1].message
        late = type(last).from_message(last, last.tp)
        late.offset, late.generation_id = EVENTS, app.consumer_generation_id - 1
        await streams[0].channel.put(app.create_event(b"k", b"late", {}, late))
        await asyncio.sleep(3 * app.conf.broker_commit_interval)
        assert len(taken) == EVENTS
        async with admin(stack) as client:
            offsets = await client.list_consumer_group_offsets(app.conf.id)
        assert offsets[TopicPartition(name, 0)].offset == expected


@pytest.mark.parametrize(("driver", "most", "least"), [(App, MANY // 2, 0), (StockApp, math.inf, 4 * MANY)])
async def test_a_message_that_finds_room_is_handed_over_without_a_task(
    driver: type[App], most: float, least: int, stack: StackAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"tasks-{driver.__name__.lower()}-{uuid.uuid4().hex[:8]}"
    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(MANY)])
    monkeypatch.setattr("streams.faust_app.App", driver)
    made = 0

    def count(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        nonlocal made
        made += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(count)
    app = new_app(name, stack.kafka, AgentSettings(), tmp_path)
    taken = await taken_by(app, name, MANY)
    assert [offset for offset, _ in taken] == [*range(MANY)]
    assert least <= made <= most
    # What lies there when partitions are handed around is thrown away, and in flight without being known to be.
    assert max(others for _, others in taken) < FEW


async def test_messages_that_may_come_together_are_fetched_together(stack: StackAddresses, tmp_path: Path) -> None:
    name = f"gathered-{uuid.uuid4().hex[:8]}"
    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        app = new_app(name, stack.kafka, AgentSettings(), tmp_path, gathering=Gathering(10_000, longest_wait_ms=60_000))
        taken: list[bytes] = []

        async def take(stream: Any) -> None:
            async for value in stream:
                taken.append(value)

        async with working(app, name, take):
            async with asyncio.timeout(60):
                while not app.consumer.partitions({}):
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)  # the first fetch is on its way
            await publish(producer, name, [(b"k", b"little")])
            await asyncio.sleep(0.5)
            assert taken == []
            await publish(producer, name, [(b"k", b"much" * 2_500)])
            await until_there_are(2, taken)


async def test_a_topic_that_the_broker_does_not_name_at_first_is_shared_out_as_soon_as_it_does(
    stack: StackAddresses, tmp_path: Path
) -> None:
    name = f"late-{uuid.uuid4().hex[:8]}"
    app = new_app(name, stack.kafka, AgentSettings(), tmp_path)
    taken: list[bytes] = []

    async def take(stream: Any) -> None:
        async for value in stream:
            taken.append(value)

    async with working(app, name, take):
        async with asyncio.timeout(60):  # the client's own next look comes after five minutes
            while not app.consumer.group().member:
                await asyncio.sleep(0.05)
            vitals = Vitals(tick=1, phase=Phase.WORKING, group=app.consumer.group(), kafka_error=None)
            assert unready(vitals) == [f"Kafka names no partition of the topic {name}"]
            async with admin(stack) as client, producing(stack) as producer:
                await client.create_topics([NewTopic(name, 2, 1)])
                await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
            await until_there_are(EVENTS, taken)
        assert app.consumer.group().missing == ()


async def offsets_read(app: App, topic: str, count: int) -> list[int]:
    """Let an agent take and acknowledge messages; return the offsets of the first `count`, sorted."""
    return sorted([offset for offset, _ in await taken_by(app, topic, count)])


async def taken_by(app: App, topic: str, count: int) -> list[tuple[int, int]]:
    """Let an agent take and acknowledge messages; return the first ones' offsets, with what else Faust's queue held."""
    taken: list[tuple[int, int]] = []

    async def take(stream: Any) -> None:
        async for event in stream.events():
            taken.append((event.message.offset, stream.channel.queue.qsize()))

    async with working(app, topic, take):
        await until_there_are(count, taken)
    return taken[:count]


@pytest.mark.row(1)
@pytest.mark.parametrize("error", [GroupLoadInProgressError, NotCoordinatorForGroupError])
@pytest.mark.parametrize(("driver", "expected"), [(App, EVENTS), (StockApp, 0)])
async def test_a_worker_that_joins_while_its_coordinator_loads_goes_on_where_it_was(
    driver: type[App],
    expected: int,
    error: type[GroupLoadInProgressError],
    stack: StackAddresses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"loads-{driver.__name__.lower()}-{uuid.uuid4().hex[:8]}"
    settings = AgentSettings(commit_interval_s=0.5)
    monkeypatch.setattr("streams.faust_app.App", driver)
    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
        assert await offsets_read(new_app(name, stack.kafka, settings, tmp_path), name, EVENTS) == [*range(EVENTS)]
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
    answered = 0
    send = GroupCoordinator._send_req

    async def loading(coordinator: GroupCoordinator, request: Any) -> Any:
        """Answer as a broker does that has not yet read what is committed; at the third time it has."""
        nonlocal answered
        if isinstance(request, OffsetFetchRequest) and answered < 2:
            answered += 1
            return OffsetFetchResponse_v3(0, [], error.errno)
        return await send(coordinator, request)

    monkeypatch.setattr(GroupCoordinator, "_send_req", loading)
    again = await offsets_read(new_app(name, stack.kafka, settings, tmp_path), name, EVENTS)
    assert again == [*range(expected, expected + EVENTS)]


@pytest.mark.row(1)
@pytest.mark.parametrize("fails", ["no answer", "closed"])
async def test_a_question_for_topics_that_fails_does_not_keep_the_group_waiting(
    fails: str, stack: StackAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"unanswered-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr("streams.topic_metadata.ANSWER_DEADLINE_S", 1.0)
    update = AIOKafkaClient._metadata_update
    failed: list[str] = []

    async def fail_once(client: AIOKafkaClient, cluster: Any, topics: Any) -> Any:
        if name in client._topics and len(failed) < 2:
            failed.append(fails)
            if fails == "closed":
                raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
            await asyncio.Event().wait()
        return await update(client, cluster, topics)

    async with admin(stack) as client, producing(stack) as producer:
        await client.create_topics([NewTopic(name, 1, 1)])
        await publish(producer, name, [(b"k", b"%d" % number) for number in range(EVENTS)])
    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", fail_once)
    app = new_app(name, stack.kafka, AgentSettings(), tmp_path)
    assert await offsets_read(app, name, EVENTS) == [*range(EVENTS)]
    assert len(failed) == 2
