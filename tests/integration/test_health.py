"""A worker's health on the real broker and server: what it says of itself, and when it ends itself."""

import asyncio
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from conftest import Worker, own_servers, start_worker, until_ready
from probe import about, play, producing, publish, publish_events, reading
from prometheus_client.parser import text_string_to_metric_families
from services import NO_REDIS, REFUSED

from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import free_port
from musicrec.settings import KafkaSettings
from musicrec.topics import EMBEDDINGS, MODELS, RULES, TRACKS
from musicrec.topics import SESSIONS as SESSION_TOPIC
from streams.batch_loop import EXIT_STATUS
from streams.consumer_groups import consumer_group
from streams.metrics import METRICS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

LISTENS, SESSIONS = "musicrec.listens.v1", "musicrec.sessions.v1"


async def get(worker: ChildProcess, path: str) -> tuple[int, str]:
    """Ask a worker at the address that its log names."""
    async with asyncio.timeout(60):
        while (found := re.search(r"health: (http://[^/]+)/", worker.log_file.read_text())) is None:
            worker.check_alive()
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as session, session.get(found[1] + path) as response:
        return response.status, (await response.text()).strip()


async def until_says(worker: ChildProcess, path: str, status: int, text: str, deadline_s: float = 60.0) -> None:
    """Wait until the answer has that status and that text in it; the worker has to be alive until then."""
    answer = (0, "")
    try:
        async with asyncio.timeout(deadline_s):
            while not (answer[0] == status and text in answer[1]):
                assert (await get(worker, "/livez")) == (200, "alive")
                answer = await get(worker, path)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{path} does not say {status} {text!r} but {answer}") from None


async def counts(worker: ChildProcess) -> dict[tuple[str, ...], float]:
    """Return the samples of /metrics by name and label values."""
    _, text = await get(worker, "/metrics")
    families = text_string_to_metric_families(text + "\n")
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def ended(worker: ChildProcess, deadline_s: float = 60.0) -> int:
    async with asyncio.timeout(deadline_s):
        return await worker.wait()


@asynccontextmanager
async def admin(stack: StackAddresses) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


Behaving = Callable[..., ChildProcess]


@pytest.fixture
async def behaving(stack: StackAddresses, tmp_path: Path) -> AsyncIterator[tuple[str, Behaving]]:
    """Give a new topic of one partition and what starts a worker on it that behaves in some way."""
    topic = f"behaving-{uuid.uuid4().hex[:8]}"
    started: list[ChildProcess] = []
    async with admin(stack) as client:
        await client.create_topics([NewTopic(topic, 1, 1)])

    def start(how: str, **environment: str) -> ChildProcess:
        name = f"{how}-{len(started)}"
        variables = stack.environment() | {"MUSICREC_DATA_DIR": str(tmp_path / name)} | environment
        script = Path(__file__).parents[1] / "handlers_worker.py"
        worker = ChildProcess.start(name, [sys.executable, script, how, topic], tmp_path / f"{name}.log", variables)
        started.append(worker)
        return worker

    yield topic, start
    for worker in started:
        await worker.stop(grace_s=1.0)


async def committed(stack: StackAddresses, group: str) -> list[int]:
    async with admin(stack) as client:
        return [place.offset for place in (await client.list_consumer_group_offsets(group)).values()]


async def test_worker_is_ready_only_once_it_has_joined_its_group(stack: StackAddresses, tmp_path: Path) -> None:
    worker = start_worker(stack, tmp_path, "ranking")
    try:
        status, reasons = await get(worker, "/readyz")
        assert (status, reasons.startswith("starting: ")) == (503, True)
        assert await get(worker, "/livez") == (200, "alive")
        await until_says(worker, "/readyz", 200, "ready; partitions: 24")
        assert ": ready" in worker.log_file.read_text()
    finally:
        await worker.stop()
    assert worker.returncode == 0


@pytest.mark.row(1, 6)
async def test_a_worker_that_starts_during_an_outage_waits_and_is_ready_when_it_is_over(tmp_path: Path) -> None:
    user = f"listener {uuid.uuid4()}"
    async with own_servers(tmp_path / "stack") as servers:
        stack, valkey, kafka = servers.addresses, servers.valkey_server, servers.kafka_server
        assert valkey is not None
        assert kafka is not None
        async with producing(stack) as producer:
            await publish_events(producer, [play(user, "t1", 1)])
        await asyncio.gather(valkey.stop(), kafka.stop())
        worker = start_worker(stack, tmp_path, "session")
        try:
            await until_says(worker, "/readyz", 503, f"starting: Kafka at {stack.kafka.bootstrap_servers} does not")
            assert (await counts(worker))["musicrec_server_up", "kafka"] == 0
            await kafka.start()
            await until_says(worker, "/readyz", 503, "starting: Redis at 127.0.0.1")
            await until_says(worker, "/metrics", 200, 'musicrec_server_up{server="kafka"} 1.0')
            assert (await counts(worker))["musicrec_server_up", "redis"] == 0
            async with reading(stack, SESSIONS, only=about(user)) as tail:
                await valkey.start()
                await until_says(worker, "/readyz", 200, "ready")
                await tail.until(lambda t: len(t.records) == 1)
        finally:
            await worker.stop()
        assert worker.returncode == 0
        assert "trying again in" in worker.log_file.read_text()


async def test_a_worker_that_waits_for_its_servers_can_be_stopped(tmp_path: Path) -> None:
    nobody = StackAddresses(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}"), NO_REDIS)
    worker = start_worker(nobody, tmp_path, "session")
    await until_says(worker, "/readyz", 503, "does not answer")
    worker.signal(signal.SIGTERM)
    assert await ended(worker) == 0


async def test_a_worker_waits_for_its_servers_until_its_deadline(tmp_path: Path) -> None:
    nobody = StackAddresses(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}"), NO_REDIS)
    worker = start_worker(nobody, tmp_path, "session", MUSICREC_AGENT__START_DEADLINE_S="1")
    assert await ended(worker) == REFUSED
    assert "trying again in 0.5 s" in worker.log_file.read_text()
    assert worker.log_tail(1).startswith(f"musicrec: Kafka at {nobody.kafka.bootstrap_servers} does not answer")


@pytest.mark.row(1, 6)
async def test_servers_that_are_away_are_named_and_end_no_worker(tmp_path: Path) -> None:
    user = f"listener {uuid.uuid4()}"
    impatient = {"MUSICREC_HEALTH__STUCK_AFTER_S": "5", "MUSICREC_AGENT__SESSION_TIMEOUT_S": "6"}
    async with own_servers(tmp_path / "stack") as servers:
        stack, valkey, kafka = servers.addresses, servers.valkey_server, servers.kafka_server
        assert valkey is not None
        assert kafka is not None
        worker = start_worker(stack, tmp_path, "session", **impatient)
        try:
            await until_says(worker, "/readyz", 200, "ready")

            await valkey.stop()
            async with producing(stack) as producer:
                await publish_events(producer, [play(user, "t1", 1)])
            await until_says(worker, "/readyz", 503, "Redis: does not answer")
            for _ in range(8):  # longer than a worker may be stuck, if it is not because of a server
                assert await get(worker, "/livez") == (200, "alive")
                await asyncio.sleep(1.0)
            await valkey.start()
            await until_says(worker, "/readyz", 200, "ready")

            await kafka.stop()
            await until_says(worker, "/readyz", 503, "Kafka: ")
            for _ in range(8):
                assert await get(worker, "/livez") == (200, "alive")
                await asyncio.sleep(1.0)
            await kafka.start()
            await until_says(worker, "/readyz", 200, "ready")

            async with reading(stack, SESSIONS, only=about(user)) as tail, producing(stack) as producer:
                await publish_events(producer, [play(user, "t2", 2)])
                await tail.until(lambda t: len(t.records) == 1)
            applied = ("musicrec_events_total", "applied", LISTENS)
            async with asyncio.timeout(30):  # counted once it is saved, which is after it was published
                while (await counts(worker)).get(applied, 0) < 2:
                    await asyncio.sleep(0.1)
            assert (await counts(worker))[applied] == 2
        finally:
            await worker.stop()


async def test_metrics_count_what_was_published(tmp_path: Path) -> None:
    events = [play(f"listener-{n % 4}", f"t{n}", n) for n in range(40)]
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        workers = [start_worker(stack, tmp_path, agent) for agent in ("session", "ranking", "outcome")]
        try:
            await asyncio.gather(*map(until_ready, workers))
            session, ranking, outcome = workers
            async with producing(stack) as producer:
                await publish_events(producer, [*events, *events[:7]])
                await publish(
                    producer, LISTENS, [(b"k", b"not JSON"), (b"k", b"[]"), (b"k", b""), (b"other", events[0].encode())]
                )

            def events_of(samples: dict[tuple[str, ...], float], topic: str) -> dict[str, float]:
                return {
                    key[1]: n
                    for key, n in samples.items()
                    if key[0] == "musicrec_events_total" and key[2] == topic and n
                }

            async with asyncio.timeout(60):
                # What a worker says of its partitions is as old as its last look at itself, a second at most.
                while (
                    sum(events_of(counted := await counts(session), LISTENS).values()) < 51
                    or ("musicrec_last_fetch_timestamp_seconds", LISTENS) not in counted
                ):
                    await asyncio.sleep(0.1)
                while sum(events_of(answered := await counts(ranking), SESSIONS).values()) < 40:
                    await asyncio.sleep(0.1)
                while sum(events_of(joined := await counts(outcome), SESSIONS).values()) < 40:
                    await asyncio.sleep(0.1)
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))

    assert events_of(counted, LISTENS) == {"applied": 40, "duplicate": 7, "dead_lettered": 4}
    assert counted["musicrec_duplicates_total", LISTENS] == 7
    reasons = {key[1]: n for key, n in counted.items() if key[0] == "musicrec_dlq_total" and n}
    assert reasons == {"malformed": 2, "empty": 1, "key_mismatch": 1}
    assert counted["musicrec_event_processing_seconds_count", LISTENS] == 51
    assert counted["musicrec_redis_call_seconds_count", "load_sessions"] >= 1

    assert events_of(answered, SESSIONS).keys() <= {"listed", "passed_over"}
    assert sum(events_of(answered, SESSIONS).values()) == 40
    lists = events_of(answered, SESSIONS)["listed"]
    assert answered["musicrec_event_to_recommendation_seconds_count",] == lists
    assert sum(events_of(joined, SESSIONS).values()) == 40
    followed = {topic.name for topic in (TRACKS, SESSION_TOPIC, EMBEDDINGS, MODELS, RULES)}
    assert {key[1] for key in answered if key[0] == "musicrec_follower_lag_messages"} == followed

    exported = {name for samples in (counted, answered, joined) for name, *_ in samples}
    described = {metric.name for metric in METRICS}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported if name.startswith("musicrec_")}
    assert ours - described == set()
    # No track is embedded here, no catalogue anew, and neither a page nor players are served.
    of_the_gateway = {name for name in described if name.startswith("musicrec_gateway_")}
    assert described - ours - of_the_gateway == {
        "musicrec_embed_seconds",
        "musicrec_group_lag_messages",
        "musicrec_page_streams",
        "musicrec_re_embedding_remaining_messages",
        "musicrec_re_embedding_waits",
    }


@pytest.mark.row(5)
async def test_event_loop_that_is_blocked_ends_the_worker_with_the_culprit_in_its_log(
    stack: StackAddresses, behaving: tuple[str, Behaving]
) -> None:
    topic, start = behaving
    worker = start("blocks", MUSICREC_HEALTH__STILL_AFTER_S="3")
    await until_ready(worker)
    async with producing(stack) as producer:
        await publish(producer, topic, [(b"k", b"v")])
    assert await ended(worker) == EXIT_STATUS
    assert "the event loop has stood still for " in worker.log_tail(1)
    assert "in _culprit" in worker.log_file.read_text()
    assert await committed(stack, consumer_group(topic)) in ([], [0], [-1])


@pytest.mark.row(5)
async def test_messages_that_wait_while_nothing_is_finished_end_the_worker_with_the_place_where_it_waits(
    stack: StackAddresses, behaving: tuple[str, Behaving]
) -> None:
    topic, start = behaving
    worker = start("hangs", MUSICREC_HEALTH__STUCK_AFTER_S="3")
    await until_ready(worker)
    async with producing(stack) as producer:
        await publish(producer, topic, [(b"k", b"v")])
    assert await ended(worker) == EXIT_STATUS
    assert re.search(rf"1 messages of {topic} wait and none was finished for \d s", worker.log_tail(1))
    assert "in Behaving._patient_culprit" in worker.log_file.read_text()
    assert await committed(stack, consumer_group(topic)) in ([], [0], [-1])


@pytest.mark.row(5)
async def test_without_watchdog_only_livez_says_that_a_worker_is_dead(
    stack: StackAddresses, behaving: tuple[str, Behaving]
) -> None:
    topic, start = behaving
    worker = start("hangs", MUSICREC_HEALTH__STUCK_AFTER_S="3", MUSICREC_HEALTH__WATCHDOG="false")
    await until_ready(worker)
    async with producing(stack) as producer:
        await publish(producer, topic, [(b"k", b"v")])
    async with asyncio.timeout(60):
        while (answer := await get(worker, "/livez"))[0] == 200:
            await asyncio.sleep(0.1)
    assert answer[0] == 503
    assert f"1 messages of {topic} wait and none was finished" in answer[1]
    assert (await get(worker, "/readyz"))[0] == 503


@pytest.mark.row(12)
async def test_member_without_partitions_is_alive_and_ready_and_says_so(behaving: tuple[str, Behaving]) -> None:
    _, start = behaving
    workers = [start("echo"), start("echo")]
    await asyncio.gather(*map(until_ready, workers))
    async with asyncio.timeout(60):
        while True:
            answers = {await get(worker, "/readyz") for worker in workers}
            if {status for status, _ in answers} == {200} and len(answers) == 2:
                break
            await asyncio.sleep(0.1)
    assert answers == {
        (200, "ready; partitions: 1"),
        (200, "ready; no partitions: the group has more workers than there are partitions"),
    }


@pytest.mark.row(11)
async def test_worker_that_is_told_to_stop_while_it_waits_for_its_group_stops(behaving: tuple[str, Behaving]) -> None:
    _, start = behaving
    slow = {"MUSICREC_AGENT__SESSION_TIMEOUT_S": "50"}
    suspended = start("echo", **slow)
    await until_ready(suspended)
    suspended.signal(signal.SIGSTOP)
    waiting = start("echo", **slow)
    try:
        async with asyncio.timeout(30):
            while "(Re-)joining group" not in waiting.log_file.read_text():
                await asyncio.sleep(0.1)
        waiting.signal(signal.SIGTERM)
        assert await ended(waiting, deadline_s=20.0) == 0
    finally:
        suspended.signal(signal.SIGCONT)


@pytest.mark.row(11)
async def test_worker_that_cannot_stop_ends_with_the_place_where_it_waits(
    stack: StackAddresses, behaving: tuple[str, Behaving]
) -> None:
    topic, start = behaving
    hanging = start("hangs", MUSICREC_AGENT__STOP_DEADLINE_S="5")
    await until_ready(hanging)
    async with producing(stack) as producer:
        await publish(producer, topic, [(b"k", b"v")])
    async with asyncio.timeout(30):
        while "hanging" not in hanging.log_file.read_text():
            await asyncio.sleep(0.05)
    hanging.signal(signal.SIGTERM)
    assert await ended(hanging, deadline_s=20.0) == EXIT_STATUS
    assert "no clean stop within 5 s" in hanging.log_tail(1)
    assert "in Behaving._patient_culprit" in hanging.log_file.read_text()
    assert await committed(stack, consumer_group(topic)) in ([], [0], [-1])


@pytest.mark.row(11)
async def test_suspended_worker_does_not_end_itself_when_it_wakes_up(worker: Worker) -> None:
    async with worker("session", MUSICREC_HEALTH__STILL_AFTER_S="3", MUSICREC_HEALTH__STUCK_AFTER_S="3") as process:
        await until_says(process, "/readyz", 200, "ready")
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(6.0)
        process.signal(signal.SIGCONT)
        for _ in range(8):
            assert await get(process, "/livez") == (200, "alive")
            await asyncio.sleep(0.5)
        await until_says(process, "/readyz", 200, "ready")


@pytest.mark.row(4)
async def test_worker_whose_instance_id_another_one_takes_ends_and_the_other_goes_on(
    stack: StackAddresses, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    same = {"MUSICREC_AGENT__INSTANCE_ID": "the-same"}
    first = start_worker(stack, tmp_path, "session", "first", **same)
    second = None
    try:
        await until_ready(first)
        second = start_worker(stack, tmp_path, "session", "second", **same)
        await until_ready(second)
        assert await ended(first) == EXIT_STATUS
        assert "another worker has joined with the same MUSICREC_AGENT__INSTANCE_ID=the-same" in first.log_tail(1)
        async with reading(stack, SESSIONS, only=about(user)) as tail, producing(stack) as producer:
            await publish_events(producer, [play(user, "t1", 1)])
            await tail.until(lambda t: len(t.records) == 1)
        await until_says(second, "/readyz", 200, "ready; partitions: 12")
    finally:
        await asyncio.gather(*(worker.stop() for worker in (first, second) if worker is not None))


@pytest.mark.row(4, 5)
async def test_worker_that_its_group_refuses_ends_with_the_reason(
    stack: StackAddresses, behaving: tuple[str, Behaving]
) -> None:
    topic, start = behaving
    # All members of a group share out partitions in one way; a worker that knows another one is refused.
    stranger = AIOKafkaConsumer(
        topic,
        **stack.kafka.client_options(),
        group_id=consumer_group(topic),
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    await stranger.start()
    try:
        worker = start("echo")
        assert await ended(worker) == EXIT_STATUS
        assert "has given up: InconsistentGroupProtocolError" in worker.log_tail(1)
    finally:
        await stranger.stop()
