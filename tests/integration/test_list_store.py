"""Which list counts for an event: the first that was stored, on a real Valkey."""

import time
import uuid
from collections.abc import AsyncIterator

import pytest
from page_records import recommendation, snapshot
from redis.asyncio import Redis

from musicrec.contracts import Mode, Recommendation, RecommendationRequest, Track, Trigger
from musicrec.local import StackAddresses
from musicrec.recommend import Recommender
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings
from streams.list_store import KEPT_LISTS, EventList, ListStore
from streams.messages import Incoming
from streams.metrics import EventOutcome
from streams.ranking_agent import Rankers, RequestRanking, SessionRanking
from streams.redis_connection import connect
from streams.running_sessions import RunningSessions

pytestmark = pytest.mark.kafka


@pytest.fixture
async def redis(stack: StackAddresses) -> AsyncIterator[Redis]:
    async with connect(stack.redis) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> ListStore:
    return ListStore(redis, origin="cluster")


def fresh(name: str = "ada") -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def trigger(user: str, offset: int, partition: int = 0) -> Trigger:
    return snapshot(user, "t", offset=offset, partition=partition).trigger


def made(user: str, offset: int, *tracks: str, partition: int = 0) -> EventList:
    return EventList(user, trigger(user, offset, partition), recommendation(user, *tracks, revision=offset).encode())


@pytest.mark.row(10)
async def test_the_list_that_was_stored_first_is_what_everybody_publishes(store: ListStore) -> None:
    user = fresh()
    first, second = made(user, 5, "a", "b"), made(user, 5, "b", "c")
    assert await store.settle([first]) == [first.value]
    assert await store.settle([second, made(user, 6, "d")]) == [first.value, made(user, 6, "d").value]


async def test_event_that_a_newer_list_has_answered_gets_no_further_list(store: ListStore) -> None:
    user = fresh()
    await store.settle([made(user, 9, "a")])
    assert await store.settle([made(user, 8, "b")]) == [None]


async def test_offsets_of_two_partitions_are_not_compared(store: ListStore) -> None:
    user = fresh()
    await store.settle([made(user, 9, "a", partition=1)])
    other = made(user, 8, "b", partition=2)
    assert await store.settle([other]) == [other.value]


async def test_listen_is_joined_with_the_newest_list_before_it_among_those_that_are_kept(store: ListStore) -> None:
    user = fresh()
    for number in range(1, 21):
        await store.settle([made(user, 10 * number, f"t{number}")])
    oldest = 10 * (21 - KEPT_LISTS)
    found = await store.before([(user, trigger(user, at)) for at in (1_000, 201, 200, oldest + 1, oldest, 0)])
    assert [shown.session_revision if shown else None for shown in found] == [200, 200, 190, oldest, None, None]
    assert await store.before([(fresh("stranger"), trigger("x", 5))]) == [None]


@pytest.mark.row(6)
async def test_store_goes_on_after_the_server_has_forgotten_its_scripts(store: ListStore, redis: Redis) -> None:
    user = fresh()
    await store.settle([made(user, 1, "a")])
    await redis.script_flush()
    assert await store.settle([made(user, 2, "b")]) == [made(user, 2, "b").value]


@pytest.mark.row(42)
async def test_every_key_ends_by_itself(store: ListStore, redis: Redis) -> None:
    user = fresh()
    await store.settle([made(user, 1, "a")])
    await store.settle_answers([(fresh("l"), b"answer")])
    keys = [*await redis.keys(f"musicrec:lists:*{user}"), *await redis.keys("musicrec:answer:*")]
    assert len(keys) >= 2
    assert all([await redis.pttl(key) > 0 for key in keys])


def rankers(store: ListStore, *tracks: str, stale_after_ms: int = 0) -> Rankers:
    """Return the agent of a worker that knows these tracks and nothing else."""
    recommender = Recommender()
    for track in tracks:
        recommender.add_track(Track(track_id=track))
    settings = RankingAgentSettings(stale_after_ms=stale_after_ms)
    return Rankers(Variants(recommender), RunningSessions(), store, settings, lambda: "none")


@pytest.mark.row(10, 44)
async def test_worker_that_knows_more_publishes_the_very_list_that_was_made_before_a_crash(store: ListStore) -> None:
    users = [fresh(str(number)) for number in range(5)]
    batch = [
        Incoming("musicrec.sessions.v1", 0, n, 0, user.encode(), snapshot(user, "a", offset=n).encode(), [])
        for n, user in enumerate(users)
    ]
    before = await SessionRanking(rankers(store, "a", "b")).decide(batch)
    after = await SessionRanking(rankers(store, "c", "d", "e")).decide(batch)
    assert len(before.messages) == len(users)
    assert after.messages == before.messages
    items = [item.track_id for message in before.messages for item in Recommendation.decode(message.value).items]
    assert set(items) == {"b"}


@pytest.mark.row(10)
async def test_list_that_was_stored_before_a_crash_is_published_though_its_event_is_passed_over_now(
    store: ListStore,
) -> None:
    user = fresh()
    batch = [
        Incoming("musicrec.sessions.v1", 0, n, 0, user.encode(), snapshot(user, "a", revision=n).encode(), [])
        for n in (1, 2, 3)
    ]
    (killed_before_publishing,) = (await SessionRanking(rankers(store, "a", "b")).decide(batch[:1])).messages
    newest, earlier = (await SessionRanking(rankers(store, "c", "d")).decide(batch)).messages
    assert earlier == killed_before_publishing
    assert Recommendation.decode(newest.value).passed_over == (f"{user}-1", f"{user}-2")
    assert (await SessionRanking(rankers(store, "e")).decide(batch)).messages == [newest, earlier]


async def test_event_that_waited_too_long_gets_no_list_and_neither_do_those_before_it(store: ListStore) -> None:
    waited, waits, now_ms = fresh("waited"), fresh("waits"), time.time_ns() // 1_000_000
    published = [(waited, 1, now_ms - 70_000), (waited, 2, now_ms - 61_000), (waits, 3, now_ms - 90_000)]
    batch = [
        Incoming("musicrec.sessions.v1", 0, offset, 0, user.encode(), made.encode(), [])
        for user, offset, at_ms in [*published, (waits, 4, now_ms - 50_000)]
        for made in [snapshot(user, "a", revision=offset, published_at_ms=at_ms)]
    ]
    decision = await SessionRanking(rankers(store, "a", "b", stale_after_ms=60_000)).decide(batch)
    (list_of_who_waits,) = [Recommendation.decode(message.value) for message in decision.messages]
    assert (list_of_who_waits.user_id, list_of_who_waits.passed_over) == (waits, (f"{waits}-3",))
    assert decision.outcomes == {EventOutcome.STALE: 2, EventOutcome.PASSED_OVER: 1, EventOutcome.LISTED: 1}


@pytest.mark.row(14)
async def test_request_that_comes_again_is_answered_by_the_very_same_list(store: ListStore) -> None:
    request = RecommendationRequest(
        request_id=fresh("request"), user_id=fresh(), mode=Mode.POPULAR, requested_at_ms=1_700_000_000_000
    )
    batch = [Incoming("musicrec.requests.v1", 0, 0, 0, request.user_id.encode(), request.encode(), [])]
    before = await RequestRanking(rankers(store, "a", "b")).decide(batch)
    after = await RequestRanking(rankers(store, "c")).decide(batch)
    assert after.messages == before.messages
    assert len(before.messages) == 1
