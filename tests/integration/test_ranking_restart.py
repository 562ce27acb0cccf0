"""A ranking worker that was away, beside one that never stopped: on a Kafka of their own, the same lists."""

import asyncio
import itertools
import json
import re
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from conftest import skip_or_fail, start_worker, until_ready
from listening import Listening
from probe import Tail, producing, reading

from musicrec.contracts import Mode, Recommendation, RecommendationRequest, SessionSnapshot, Track
from musicrec.errors import MusicrecError
from musicrec.local import EmbeddedStack, StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import Settings
from streams.counters import Counters
from streams.ranking_snapshots import RankingSnapshots
from streams.ranking_state import RankingState
from streams.snapshot_keeper import take
from streams.topic_admin import create_missing_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LISTS, REQUESTS = "musicrec.recommendations.v1", "musicrec.requests.v1"
SESSIONS, TRACKS = "musicrec.sessions.v1", "musicrec.tracks.v1"
USERS = [f"listener-{number}" for number in range(8)]
DEADLINE_S = 60.0

# Workers take partitions in any order, and then learn a little differently, as replicas do.  Here all lies in one
# partition of each topic, and while a worker is away only one of the topics gets records.
PARTITION = 0


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[StackAddresses]:
    """Give a Kafka that nobody else writes to."""
    stack = EmbeddedStack(tmp_path / "stack")
    try:
        await create_missing_topics((await stack.start()).kafka)
    except MusicrecError as error:
        skip_or_fail(f"no embedded stack: {error}")
    try:
        yield stack.addresses
    finally:
        await stack.stop()


class World:
    """Listeners whose session snapshots are published; some tracks are removed on the way."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._listening = Listening()
        self._plays = itertools.count()
        self.published = 0

    async def announce(self, tracks: int) -> None:
        await self._send(TRACKS, [(f"t{n}", Track(track_id=f"t{n}", artist_id=f"a{n % 9}")) for n in range(tracks)])

    async def remove(self, track_id: str) -> None:
        await self._producer.send_and_wait(TRACKS, None, key=track_id.encode(), partition=PARTITION)
        self.published += 1

    async def play(self, count: int) -> None:
        made: list[tuple[str, SessionSnapshot]] = []
        for number in itertools.islice(self._plays, count):
            user, track = USERS[number % 7 * number % len(USERS)], number * number % 43
            made.append((user, self._listening.play(user, f"t{track}", f"a{track % 9}", skip=number % 4 == 0)))
        await self._send(SESSIONS, made)

    async def _send(self, topic: str, records: Sequence[tuple[str, Track | SessionSnapshot]]) -> None:
        sent = [
            await self._producer.send(topic, record.encode(), key=key.encode(), partition=PARTITION)
            for key, record in records
        ]
        await asyncio.gather(*sent)
        self.published += len(sent)


@asynccontextmanager
async def steady_state(servers: StackAddresses, folder: Path) -> AsyncIterator[tuple[RankingState, Counters]]:
    """Give the state of a worker that never stops."""
    counters = Counters("steady")
    settings = Settings(kafka=servers.kafka, redis=servers.redis, data_dir=folder)
    async with RankingState.following(settings, "origin", counters) as state:
        yield state, counters


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not reached():
            await asyncio.sleep(0.05)


def log_of(worker: ChildProcess) -> str:
    return worker.log_file.read_text(errors="replace")


def saved_records(folder: Path) -> int:
    """Return how many records the worker's newest snapshot holds, by the places in its manifest."""
    manifests = sorted((folder / "ranking-0" / "ranking").glob("*/snapshot-*/manifest.json"))
    if not manifests:
        return 0
    places = json.loads(manifests[-1].read_text())["manifest"]["offsets"]
    return sum(offset for topic in places.values() for offset in topic.values())


async def assert_answers_as(steady: RankingState, servers: StackAddresses, producer: AIOKafkaProducer) -> None:
    """Ask the worker for every kind of list of every listener; compare item by item, score by score."""
    now_ms = time.time_ns() // 1_000_000
    asked = [
        RecommendationRequest(
            request_id=uuid.uuid4().hex, user_id=user, mode=mode, track_id="t5", limit=30, requested_at_ms=now_ms
        )
        for user in [*USERS, "stranger"]
        for mode in Mode
    ]
    answers: dict[str | None, Recommendation] = {}

    def all_answered(tail: Tail) -> bool:
        answers.update(
            (made.request_id, made) for made in (Recommendation.decode(record.value) for record in tail.records)
        )
        return answers.keys() >= {request.request_id for request in asked}

    async with reading(servers, LISTS) as tail:
        for request in asked:
            await producer.send_and_wait(REQUESTS, request.encode(), key=request.user_id.encode())
        await tail.until(all_answered)
    for request in asked:
        made = answers[request.request_id]
        expected = steady.recommender.answer(request, steady.running.get(request.user_id), made.generated_at_ms)
        assert made.items == expected.items
        assert made.degraded == expected.degraded
        assert len(made.items) > 10


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_restarted_worker_takes_the_rest_and_answers_as_one_that_never_stopped(
    servers: StackAddresses, tmp_path: Path, end: signal.Signals
) -> None:
    # Killed: what is on disk then is what was saved on the way.
    interval = {"MUSICREC_RANKING__SNAPSHOT_INTERVAL_S": "3600" if end is signal.SIGTERM else "0.5"}
    async with producing(servers) as producer, steady_state(servers, tmp_path / "steady") as (steady, counters):
        world = World(producer)
        await world.announce(60)
        worker = start_worker(servers, tmp_path, "ranking", **interval)
        try:
            await until_ready(worker)
            await until(lambda: len(steady.recommender.knowledge.catalogue) == 60)
            assert "no ranking snapshot: all is learned from the topics" in log_of(worker)
            await world.play(300)
            await until(lambda: counters.totals().get("learned") == 300)
            await assert_answers_within_deadline(lambda: assert_answers_as(steady, servers, producer))
            if end is signal.SIGKILL:
                await until(lambda: saved_records(tmp_path) == world.published)
            await world.play(50)
            if end is signal.SIGTERM:
                await assert_answers_within_deadline(lambda: assert_answers_as(steady, servers, producer))
            worker.signal(end)
            assert await worker.wait() == (0 if end is signal.SIGTERM else -end)
            saved = saved_records(tmp_path)
            assert saved == world.published if end is signal.SIGTERM else saved >= world.published - 50
            await world.play(60)
            worker = start_worker(servers, tmp_path, "ranking", **interval)
            await until_ready(worker)
            await until(lambda: counters.totals().get("learned") == 410)
            assert re.search(r"ranking snapshot of \d+ s ago with \d+ sessions, 8 listeners, 60 tracks", log_of(worker))
            assert f"caught up: {world.published - saved} records taken from the topics" in log_of(worker)
            await assert_answers_as(steady, servers, producer)
            await world.remove("t55")
            await until(lambda: steady.recommender.knowledge.catalogue.removed == 1)
            await assert_answers_within_deadline(lambda: assert_answers_as(steady, servers, producer))
            await world.play(40)
            await until(lambda: counters.totals().get("learned") == 450)
            await assert_answers_within_deadline(lambda: assert_answers_as(steady, servers, producer))
        finally:
            await worker.stop()


async def assert_answers_within_deadline(asking: Callable[[], Awaitable[None]]) -> None:
    """Ask until the worker has learned all: that it has, only its answers tell."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await asking()
            except AssertionError as error:
                last = error
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                raise last from None


@pytest.mark.row(36)
async def test_worker_that_cannot_save_says_so_and_answers(servers: StackAddresses, tmp_path: Path) -> None:
    (tmp_path / "ranking-0").mkdir()
    (tmp_path / "ranking-0" / "ranking").write_text("in the way of the folder")
    async with producing(servers) as producer, steady_state(servers, tmp_path / "steady") as (steady, counters):
        world = World(producer)
        await world.announce(60)
        worker = start_worker(servers, tmp_path, "ranking")
        try:
            await until_ready(worker)
            await until(lambda: len(steady.recommender.knowledge.catalogue) == 60)
            await until(lambda: "trying again in 600 s" in log_of(worker))
            await world.play(100)
            await until(lambda: counters.totals().get("learned") == 100)
            await assert_answers_within_deadline(lambda: assert_answers_as(steady, servers, producer))
            assert log_of(worker).count("trying again in 600 s") == 1
            worker.signal(signal.SIGTERM)
            assert await worker.wait() == 0
        finally:
            await worker.stop()


@pytest.mark.row(37)
async def test_snapshot_of_topics_that_were_made_anew_is_forgotten(servers: StackAddresses, tmp_path: Path) -> None:
    settings = Settings(kafka=servers.kafka, redis=servers.redis, data_dir=tmp_path)
    async with producing(servers) as producer:
        await World(producer).play(20)
    async with RankingState.following(settings, "origin", Counters("first")) as state:
        state.recommender.add_track(Track(track_id="of another topic"))
    # Saved after the worker's own last snapshot, with places that its topics do not have.
    snapshots = RankingSnapshots(tmp_path / "ranking" / "origin", "origin", state._nothing)
    beyond = {TopicPartition(SESSIONS, PARTITION): 1_000_000}
    taken, counts = take(state.learned.state(), 0), state.learned.counts()
    snapshots.save(taken, beyond, counts, now_ms=time.time_ns() // 1_000_000)
    counters = Counters("second")
    async with RankingState.following(settings, "origin", counters) as state:
        assert counters.totals().get("learned") == 20
        assert state.recommender.knowledge.catalogue.index_of("of another topic") == -1
