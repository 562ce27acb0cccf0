"""Ranking workers that learn from a share of the listeners: whom they learn from, and what the others get of them."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from conftest import own_servers, start_worker, until_ready
from listening import Listening
from probe import Tail, about, play, producing, publish, publish_events, reading
from redis.asyncio import Redis
from services import REFUSED, status_of

from musicrec.contracts import (
    DeadLetter,
    EventType,
    ListenEvent,
    Mode,
    Recommendation,
    RecommendationRequest,
    SessionSnapshot,
    Track,
)
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.recommend import Recommender
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings, SessionSettings, Settings
from streams.counters import Counters
from streams.list_store import ListStore
from streams.messages import Incoming
from streams.newest_sessions import StoredSessions
from streams.ranking_agent import Rankers, RequestRanking
from streams.ranking_state import RankingState, Watched
from streams.redis_connection import connect
from streams.session_agent import SessionAgent
from streams.session_store import KEY_PREFIX, SessionStore

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

LISTENS, SESSIONS = "musicrec.listens.v1", "musicrec.sessions.v1"
REQUESTS, LISTS, TRACKS = "musicrec.requests.v1", "musicrec.recommendations.v1", "musicrec.tracks.v1"
PARTITIONS = 12
DEADLINE_S = 60.0


def partition_of(user: str) -> int:
    return (murmur2(user.encode()) & 0x7FFF_FFFF) % PARTITIONS


def one_on_each_partition(name: str) -> list[str]:
    """Return a listener for each partition, in order."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        found.setdefault(partition_of(user := f"{name} {number}"), user)
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not reached():
            await asyncio.sleep(0.05)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[StackAddresses]:
    """Give a Kafka that nobody else writes to."""
    async with own_servers(tmp_path / "stack") as running:
        yield running.addresses


class Plays:
    """Publishes the session snapshots of a listener on each partition."""

    def __init__(self, servers: StackAddresses) -> None:
        self._servers = servers
        self._listening = Listening()
        self.users = one_on_each_partition("listener")

    async def on(self, partitions: Collection[int], times: int = 1) -> None:
        async with producing(self._servers) as producer:
            for number in partitions:
                user = self.users[number]
                made = [self._listening.play(user, f"t{n}") for n in range(times)]
                await publish(producer, SESSIONS, [(user.encode(), snapshot.encode()) for snapshot in made])


class Following:
    """The state of a worker, which answers what a test says."""

    def __init__(self, servers: StackAddresses, folder: Path, one_in: int) -> None:
        ranking = RankingAgentSettings(learn_from_one_in=one_in)
        self._settings = Settings(kafka=servers.kafka, redis=servers.redis, data_dir=folder, ranking=ranking)
        self.answered: set[int] | None = None
        self.counters = Counters("share")
        self.watched: Watched = tuple

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RankingState]:
        async with RankingState.following(
            self._settings, "origin", self.counters, self._watch, lambda: self.answered
        ) as state:
            yield state

    def _watch(self, watched: Watched) -> None:
        self.watched = watched

    @property
    def learned(self) -> int:
        return self.counters.totals().get("learned", 0)

    @property
    def lag(self) -> int | None:
        return next(followed.lag for followed in self.watched() if followed.topic == SESSIONS)


def learned_of(state: RankingState, users: Sequence[str]) -> list[int]:
    """Return the partitions whose listeners the state knows."""
    return [number for number, user in enumerate(users) if user in state.recommender.knowledge.listeners]


async def test_state_learns_from_the_share_and_from_whom_it_answers_and_goes_on_after_a_restart(
    servers: StackAddresses, tmp_path: Path
) -> None:
    plays = Plays(servers)
    await plays.on(range(PARTITIONS), times=3)
    worker = Following(servers, tmp_path, one_in=4)
    async with worker.running() as state:
        assert learned_of(state, plays.users) == [0, 4, 8]
        assert (worker.learned, worker.lag) == (9, 0)
        worker.answered = {0, 1}
        await until(lambda: worker.learned == 12)
        assert learned_of(state, plays.users) == [0, 1, 4, 8]
        worker.answered = {2}
        await until(lambda: worker.learned == 15)
        await plays.on(range(PARTITIONS))
        await until(lambda: worker.learned == 19)  # 0, 4, 8 and 2
        assert worker.lag == 0
        worker.answered = {1}  # which goes on where it was left
        await until(lambda: worker.learned == 20)
        worker.answered = None  # its last word stands while it is stopped
    await plays.on(range(PARTITIONS))
    again = Following(servers, tmp_path, one_in=4)
    async with again.running() as state:
        assert again.learned == 4
        assert learned_of(state, plays.users) == [0, 1, 2, 4, 8]
        again.answered = {2}
        # It is read from its beginning, and what is known of it counts once.
        await until(lambda: again.learned == 5)
        heard = state.recommender.knowledge.listeners[plays.users[2]]
        assert heard.length == 5


@pytest.mark.parametrize(("before", "after", "lacking"), [(4, 1, 9), (1, 4, 0), (6, 4, 2)])
async def test_what_was_learned_with_another_share_is_kept_and_what_it_lacks_is_learned(
    servers: StackAddresses,
    tmp_path: Path,
    before: int,
    after: int,
    lacking: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plays, shares = Plays(servers), {n: set(range(0, PARTITIONS, n)) for n in (before, after)}
    await plays.on(range(PARTITIONS), times=2)
    async with Following(servers, tmp_path, before).running():
        pass
    await plays.on(range(PARTITIONS))
    worker = Following(servers, tmp_path, after)
    with caplog.at_level(logging.INFO):
        async with worker.running() as state:
            worker.answered = set()
            known = sorted(shares[before] | shares[after])
            assert learned_of(state, plays.users) == known
            assert all(state.recommender.knowledge.listeners[plays.users[n]].length == 3 for n in known)
            await until(lambda: len(state._follower.positions) == 6 + len(shares[after]))  # type: ignore[union-attr]
            learned = worker.learned
            await plays.on(range(PARTITIONS))
            await until(lambda: worker.learned == learned + len(shares[after]))
            assert worker.lag == 0
    said = f"the snapshot holds nothing of {lacking} partitions: all there is of them is learned"
    assert (said in caplog.text) == (lacking > 0)


async def test_share_of_more_partitions_than_there_are_ends_the_worker_with_the_way_out(
    stack: StackAddresses, tmp_path: Path
) -> None:
    worker = start_worker(stack, tmp_path, "ranking", MUSICREC_RANKING__LEARN_FROM_ONE_IN="13")
    assert await status_of(worker) == REFUSED
    said = worker.log_file.read_text()
    assert "MUSICREC_RANKING__LEARN_FROM_ONE_IN is 13, and musicrec.sessions.v1 has 12 partitions" in said
    assert "Traceback" not in said


def tracks_of(made: Recommendation) -> set[str]:
    return {item.track_id for item in made.items}


class Audience:
    """A listener on each partition, and what came for them."""

    def __init__(self, stack: StackAddresses, tail: Tail, users: Sequence[str]) -> None:
        self._stack = stack
        self._tail = tail
        self.users = users
        self._plays = 0

    async def play(self) -> None:
        """Let all play a track; wait for everybody's list."""
        self._plays += 1
        events = [play(user, f"{user} {self._plays % 3}", self._plays) for user in self.users]
        async with producing(self._stack) as producer:
            await publish_events(producer, events)
        await self._tail.until(lambda _: {e.event_id for e in events} <= self._answered())

    async def ask(self, mode: Mode) -> dict[str, Recommendation]:
        """Return everybody's answer."""
        now_ms = time.time_ns() // 1_000_000
        asked = {
            user: RecommendationRequest(
                request_id=uuid.uuid4().hex, user_id=user, mode=mode, limit=100, requested_at_ms=now_ms
            )
            for user in self.users
        }
        async with producing(self._stack) as producer:
            await publish(producer, REQUESTS, [(user.encode(), r.encode()) for user, r in asked.items()])
        ids = {request.request_id for request in asked.values()}
        await self._tail.until(lambda _: ids <= {made.request_id for made in self._lists()})
        return {made.user_id: made for made in self._lists() if made.request_id in ids}

    def session_of(self, user: str) -> str | None:
        """Return the session of the listener's newest list for an event."""
        return [made.session_id for made in self._lists() if made.user_id == user and made.trigger is not None][-1]

    def _lists(self) -> list[Recommendation]:
        return [Recommendation.decode(record.value) for record in self._tail.on(LISTS)]

    def _answered(self) -> set[str]:
        lists = [made for made in self._lists() if made.trigger is not None]
        return {event for made in lists if made.trigger for event in (made.trigger.event_id, *made.passed_over)}


@pytest.mark.parametrize("agents", [("session", "ranking"), ("session-ranking",)], ids=lambda agents: agents[-1])
async def test_listeners_outside_the_share_get_lists_and_answers_from_their_session_whoever_has_their_partition(
    servers: StackAddresses, agents: tuple[str, ...], tmp_path: Path
) -> None:
    *others, ranking = agents
    share = {"MUSICREC_RANKING__LEARN_FROM_ONE_IN": "12", "MUSICREC_AGENT__SESSION_TIMEOUT_S": "6"}
    users = one_on_each_partition("listener")
    blocked = {user: f"blocked by {user}" for user in users}
    async with AsyncExitStack() as processes, reading(servers, LISTS, only=about(*users)) as tail:
        workers = [start_worker(servers, tmp_path, agent, **share) for agent in others]
        first, second = (start_worker(servers, tmp_path, ranking, instance, **share) for instance in "ab")
        for process in (*workers, first, second):
            processes.push_async_callback(process.stop)
        await until(lambda: all("more partitions" in p.log_file.read_text(errors="replace") for p in (first, second)))
        async with producing(servers) as producer:
            known = [Track(track_id=name) for user in users for name in (blocked[user], f"{user} new")]
            await publish(producer, TRACKS, [(track.track_id.encode(), track.encode()) for track in known])
        audience = Audience(servers, tail, users)
        async with asyncio.timeout(DEADLINE_S):  # it is followed a tenth of a second later
            while not all([set(blocked.values()) <= tracks_of(a) for a in (await audience.ask(Mode.POPULAR)).values()]):
                pass
        await audience.play()
        await audience.play()
        async with producing(servers) as producer:
            blocks = [
                play(user, blocked[user], 3, event_id=f"{user} block", type=EventType.BLOCK_TRACK, ms_played=None)
                for user in users
            ]
            await publish_events(producer, blocks)

        async def assert_answered_from_the_session() -> None:
            answers = await audience.ask(Mode.SESSION)
            assert {user: made.session_id for user, made in answers.items()} == {
                user: audience.session_of(user) for user in users
            }
            for user, made in (await audience.ask(Mode.POPULAR)).items():
                assert set(blocked.values()) - tracks_of(made) == {blocked[user]}

        await tail.until(lambda t: len([r for r in t.on(LISTS) if b" block" in r.value]) >= len(users))
        await assert_answered_from_the_session()
        await first.stop()  # its partitions go to the other one, which has learned nothing of their listeners
        await assert_answered_from_the_session()
        await audience.play()
        await assert_answered_from_the_session()
        restarted = start_worker(servers, tmp_path, ranking, "a", **share)
        processes.push_async_callback(restarted.stop)
        await until_ready(restarted)
        await audience.play()
        await assert_answered_from_the_session()


@pytest.fixture
async def redis(stack: StackAddresses) -> AsyncIterator[Redis]:
    async with connect(stack.redis) as client:
        yield client


def incoming(topic: str, user: str, value: bytes, offset: int = 0) -> Incoming:
    return Incoming(topic, 0, offset, 1_760_000_000_000, user.encode(), value, [])


async def applied(redis: Redis, events: Sequence[ListenEvent]) -> list[SessionSnapshot]:
    """Let the session agent apply events; return the snapshots that it publishes."""
    agent = SessionAgent(SessionStore(redis, ttl_ms=3_600_000), SessionSettings(), "cluster")
    decision = await agent.decide([incoming(LISTENS, e.user_id, e.encode(), n) for n, e in enumerate(events)])
    assert decision.save is not None
    await decision.save()
    return [SessionSnapshot.decode(message.value) for message in decision.messages if message.topic == SESSIONS]


def stored(redis: Redis) -> StoredSessions:
    return StoredSessions(SessionStore(redis, ttl_ms=3_600_000), SessionSettings())


async def test_session_that_stands_in_redis_is_the_one_that_was_published(redis: Redis) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run} {name}" for name in ("ann", "bob")]
    published = await applied(redis, [play(user, f"t{number}", number) for number in range(3) for user in users])

    newest = await stored(redis).newest([*users, f"{run} nobody"])

    assert newest[f"{run} nobody"] is None
    for user in users:
        last = [snapshot for snapshot in published if snapshot.user_id == user][-1]
        standing = newest[user]
        assert isinstance(standing, SessionSnapshot)
        assert standing.entries == last.entries
        assert (standing.session_id, standing.revision) == (last.session_id, last.revision)
        assert standing.previous_track_id == last.previous_track_id


async def test_request_of_a_listener_whose_state_cannot_be_read_becomes_a_dead_letter(redis: Redis) -> None:
    run = uuid.uuid4().hex[:8]
    good, bad = f"{run} good", f"{run} bad"
    await applied(redis, [play(good, "t", 0)])
    await redis.set(KEY_PREFIX + bad, b"of another type")
    recommender = Recommender()
    recommender.add_track(Track(track_id="a"))
    rankers = Rankers(
        Variants(recommender), stored(redis), ListStore(redis, "cluster"), RankingAgentSettings(), lambda: "none"
    )
    asked = [
        RecommendationRequest(
            request_id=f"{user} asks", user_id=user, mode=Mode.SESSION, requested_at_ms=1_760_000_000_000
        )
        for user in (good, bad)
    ]

    decision = await RequestRanking(rankers).decide([incoming(REQUESTS, r.user_id, r.encode()) for r in asked])

    (letter,) = [m for m in decision.messages if m.topic == f"{REQUESTS}.dlq"]
    assert (letter.key, letter.value) == (bad.encode(), asked[1].encode())
    assert DeadLetter.from_headers(letter.headers).reason is DeadLetterReason.UNREADABLE_STATE
    (answer,) = [Recommendation.decode(m.value) for m in decision.messages if m.topic == LISTS]
    assert answer.user_id == good
    assert answer.session_id is not None
