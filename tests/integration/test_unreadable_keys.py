"""A key in Redis that cannot be read, on a real Valkey: it costs its own listener dead letters, and nobody else."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Worker, start_worker, until_ready
from page_records import NOW_MS, recommendation, snapshot
from probe import about, play, producing, publish_events, reading
from redis.asyncio import Redis
from services import GAVE_UP, command, status_of

from musicrec.contracts import (
    DeadLetter,
    Mode,
    Outcome,
    Recommendation,
    RecommendationRequest,
    Record,
    SessionSnapshot,
    Track,
)
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.recommend import Recommender
from musicrec.recommend.variants import Variants
from musicrec.session import ListenerState
from musicrec.settings import RankingAgentSettings, SessionSettings
from streams.list_store import EventList, ListStore
from streams.messages import Decision, Incoming
from streams.metrics import EventOutcome
from streams.outcome_agent import Outcomes
from streams.ranking_agent import Rankers, RequestRanking, SessionRanking
from streams.redis_connection import connect
from streams.running_sessions import RunningSessions
from streams.session_agent import SessionAgent
from streams.session_store import KEY_PREFIX, SessionStore

pytestmark = pytest.mark.kafka

LISTENS, SESSIONS, REQUESTS = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.requests.v1"
DEAD = "musicrec.listens.v1.dlq"


@pytest.fixture
async def redis(stack: StackAddresses) -> AsyncIterator[Redis]:
    async with connect(stack.redis) as client:
        yield client


def listeners(count: int = 3) -> list[str]:
    run = uuid.uuid4().hex[:8]
    return [f"{run}-{number}" for number in range(count)]


def batch(topic: str, records: Sequence[Any], first_offset: int = 0) -> list[Incoming]:
    return [
        Incoming(topic, 0, offset, NOW_MS, record.user_id.encode(), record.encode(), [])
        for offset, record in enumerate(records, start=first_offset)
    ]


def refused(decision: Decision) -> list[tuple[bytes | None, bytes | None, DeadLetterReason]]:
    """Return key, value and reason of each dead letter."""
    letters = [m for m in decision.messages if m.topic.endswith(".dlq")]
    return [(m.key, m.value, DeadLetter.from_headers(m.headers).reason) for m in letters]


def others(decision: Decision, record: type[Record]) -> list[Any]:
    return [record.decode(m.value) for m in decision.messages if not m.topic.endswith(".dlq")]


def why(decision: Decision) -> set[str]:
    return {DeadLetter.from_headers(m.headers).error_message for m in decision.messages if m.topic.endswith(".dlq")}


async def put_another_type(redis: Redis, key: str) -> None:
    await redis.delete(key)
    await redis.rpush(key, "somebody else's")  # type: ignore[misc]
    await redis.expire(key, 600)  # others use the same server


async def cut_the_state(redis: Redis, key: str) -> None:
    state: bytes = await redis.hget(key, "state")  # type: ignore[misc, assignment]
    await redis.hset(key, "state", state[: len(state) // 2])  # type: ignore[misc, arg-type]


async def lose_the_state(redis: Redis, key: str) -> None:
    await redis.hdel(key, "state")  # type: ignore[misc]


async def lose_the_revision(redis: Redis, key: str) -> None:
    await redis.hdel(key, "revision")  # type: ignore[misc]


@pytest.mark.row(9)
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (put_another_type, "is of another type"),
        (cut_the_state, "holds a damaged session state"),
        (lose_the_state, "holds a damaged session state of 0 bytes"),
        (lose_the_revision, "holds a state of revision 1 under another revision"),
    ],
)
async def test_events_of_the_listener_become_dead_letters_and_all_others_are_applied(
    spoil: Callable[[Redis, str], Awaitable[None]], what: str, redis: Redis
) -> None:
    users = listeners()
    key = KEY_PREFIX + users[1]
    agent = SessionAgent(SessionStore(redis, ttl_ms=3_600_000), SessionSettings(), origin="cluster")
    await (await agent.decide(batch(LISTENS, [play(user, "before", 0) for user in users]))).save()
    await spoil(redis, key)
    left = await redis.dump(key)
    events = [play(user, f"t{number}", number) for number in (1, 2) for user in users]

    decision = await agent.decide(batch(LISTENS, events, first_offset=10))
    await decision.save()

    unreadable = DeadLetterReason.UNREADABLE_STATE
    assert refused(decision) == [(users[1].encode(), e.encode(), unreadable) for e in events if e.user_id == users[1]]
    (said,) = why(decision)
    assert f"the key {KEY_PREFIX}<user_id> {what}" in said
    assert "delete it, then `musicrec dlq replay --reason unreadable_state`" in said
    applied = [(s.user_id, s.revision) for s in others(decision, SessionSnapshot)]
    assert applied == [(user, revision) for revision in (2, 3) for user in (users[0], users[2])]
    assert await redis.dump(key) == left, "what lies there is for whoever mends it"

    await redis.delete(key)
    again = await agent.decide(batch(LISTENS, [e for e in events if e.user_id == users[1]], first_offset=20))
    assert [s.revision for s in others(again, SessionSnapshot)] == [1, 2]


@pytest.mark.row(9)
async def test_worker_goes_on_and_the_letters_are_applied_once_the_key_is_deleted(
    stack: StackAddresses, worker: Worker, redis: Redis, tmp_path: Path
) -> None:
    users = listeners()
    events = [play(user, f"t{number}", number) for number in range(3) for user in users]
    spoilt = [event for event in events if event.user_id == users[0]]
    await put_another_type(redis, KEY_PREFIX + users[0])
    async with (
        reading(stack, SESSIONS, DEAD, only=about(*users)) as tail,
        producing(stack) as producer,
        worker("session") as process,
    ):
        await publish_events(producer, events)
        await tail.until(lambda t: len(t.on(DEAD)) == 3 and len(t.on(SESSIONS)) == 6)
        await redis.delete(KEY_PREFIX + users[0])
        replayed, said = await command(stack, tmp_path, "dlq", "replay", "--reason", "unreadable_state", "--yes")
        assert replayed == 0, said
        await tail.until(lambda t: len(t.on(SESSIONS)) == 9)
        process.check_alive()
    assert [r.value for r in tail.on(DEAD)] == [event.encode() for event in spoilt]
    snapshots = [SessionSnapshot.decode(r.value) for r in tail.on(SESSIONS) if r.key == users[0].encode()]
    assert [s.trigger.event_id for s in snapshots] == [event.event_id for event in spoilt]


@pytest.mark.row(43)
async def test_state_of_a_newer_release_ends_the_worker_with_nothing_acknowledged(
    stack: StackAddresses, worker: Worker, redis: Redis, tmp_path: Path
) -> None:
    (user,) = listeners(1)
    newer = ListenerState(revision=1).encode().replace(b"[1,", b"[99,", 1)
    await redis.hset(KEY_PREFIX + user, mapping={"revision": 1, "state": newer})  # type: ignore[misc]
    async with reading(stack, SESSIONS, DEAD, only=about(user)) as tail, producing(stack) as producer:
        older_release = start_worker(stack, tmp_path, "session")
        await until_ready(older_release)
        await publish_events(producer, [play(user, "t", 1)])
        assert await status_of(older_release) == GAVE_UP
        assert "has version 99; this release reads up to" in older_release.log_tail()
        assert tail.records == []
        await redis.delete(KEY_PREFIX + user)
        async with worker("session"):
            await tail.until(lambda t: len(t.on(SESSIONS)) == 1)


@pytest.fixture
def ranking(redis: Redis) -> Rankers:
    recommender = Recommender()
    for track in ("a", "b"):
        recommender.add_track(Track(track_id=track))
    return Rankers(
        Variants(recommender),
        RunningSessions(),
        ListStore(redis, "cluster"),
        RankingAgentSettings(stale_after_ms=0),
        lambda: "none",
    )


def lists_key(user: str) -> str:
    return f"musicrec:lists:cluster:0:{user}"


async def put_what_is_no_list(redis: Redis, key: str) -> None:
    await redis.zadd(key, {b"no list": 12})


@pytest.mark.row(9)
@pytest.mark.parametrize(
    ("spoil", "what"), [(put_another_type, "is of another type"), (put_what_is_no_list, "holds a damaged list")]
)
async def test_no_second_list_is_made_where_the_first_cannot_be_read(
    spoil: Callable[[Redis, str], Awaitable[None]], what: str, ranking: Rankers, redis: Redis
) -> None:
    users = listeners()
    await spoil(redis, lists_key(users[0]))
    messages = batch(
        SESSIONS, [snapshot(user, "a", revision=n, offset=n) for n in (11, 12) for user in users], first_offset=50
    )

    decision = await SessionRanking(ranking).decide(messages)

    unreadable = DeadLetterReason.UNREADABLE_STATE
    assert refused(decision) == [(m.key, m.value, unreadable) for m in messages if m.key == users[0].encode()]
    (said,) = why(decision)
    assert f"the key musicrec:lists:cluster:<partition>:<user_id> {what}" in said
    lists: list[Recommendation] = others(decision, Recommendation)
    assert [made.user_id for made in lists] == users[1:]
    assert decision.outcomes == {EventOutcome.LISTED: 2, EventOutcome.PASSED_OVER: 2}

    await redis.delete(lists_key(users[0]))
    again = await SessionRanking(ranking).decide([m for m in messages if m.key == users[0].encode()])
    assert [made.passed_over for made in others(again, Recommendation)] == [(f"{users[0]}-11",)]


@pytest.mark.row(9)
async def test_request_is_refused_where_its_first_answer_cannot_be_read(ranking: Rankers, redis: Redis) -> None:
    requests = [
        RecommendationRequest(request_id="r", user_id=user, mode=Mode.POPULAR, requested_at_ms=1_700_000_000_000)
        for user in listeners(2)
    ]
    messages = batch(REQUESTS, requests)
    first = others(await RequestRanking(ranking).decide(messages), Recommendation)
    await put_another_type(redis, f"musicrec:answer:{first[0].list_id}")

    decision = await RequestRanking(ranking).decide(messages)

    assert refused(decision) == [(messages[0].key, messages[0].value, DeadLetterReason.UNREADABLE_STATE)]
    assert others(decision, Recommendation) == first[1:]
    assert decision.outcomes == {EventOutcome.ANSWERED: 1}


@pytest.mark.row(9)
@pytest.mark.parametrize("spoil", [put_another_type, put_what_is_no_list])
async def test_listen_is_joined_with_no_list_where_the_lists_cannot_be_read(
    spoil: Callable[[Redis, str], Awaitable[None]], redis: Redis
) -> None:
    users = listeners(2)
    for user in users:
        shown = recommendation(user, "a", "b", revision=1)
        await ListStore(redis, "cluster").settle([EventList(user, snapshot(user, offset=1).trigger, shown.encode())])
    await spoil(redis, lists_key(users[0]))

    decision = await Outcomes(ListStore(redis, "cluster")).decide(
        batch(SESSIONS, [snapshot(user, "b", revision=20, offset=20) for user in users])
    )

    outcomes: list[Outcome] = others(decision, Outcome)
    assert [(outcome.list_id, outcome.rank) for outcome in outcomes] == [(None, None), (f"l-{users[1]}-1", 2)]
    assert refused(decision) == []
