"""What a ranking worker makes of a batch: who is answered, on a real Valkey."""

import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from page_records import NOW_MS, snapshot
from redis.asyncio import Redis

from musicrec.contracts import Recommendation, SessionSnapshot, Track
from musicrec.local import StackAddresses
from musicrec.recommend import Recommender
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings
from streams.list_store import ListStore
from streams.messages import Decision, Incoming
from streams.metrics import EventOutcome
from streams.ranking_agent import Rankers, SessionRanking
from streams.redis_connection import connect
from streams.running_sessions import RunningSessions

pytestmark = pytest.mark.kafka


@pytest.fixture
async def redis(stack: StackAddresses) -> AsyncIterator[Redis]:
    async with connect(stack.redis) as client:
        yield client


def ranking(redis: Redis, settings: RankingAgentSettings | None = None) -> SessionRanking:
    """Return the handler of a worker that knows three tracks."""
    recommender = Recommender()
    for track in ("a", "b", "c"):
        recommender.add_track(Track(track_id=track))
    settings = settings or RankingAgentSettings(stale_after_ms=0)  # the events of these tests are of any age
    lists = ListStore(redis, f"cluster {uuid.uuid4().hex[:8]}")
    return SessionRanking(Rankers(Variants(recommender), RunningSessions(), lists, settings, lambda: "none"))


def batch(snapshots: Sequence[SessionSnapshot]) -> list[Incoming]:
    return [
        Incoming("musicrec.sessions.v1", 0, offset, NOW_MS, s.user_id.encode(), s.encode(), [])
        for offset, s in enumerate(snapshots)
    ]


def lists(decision: Decision) -> list[Recommendation]:
    return [Recommendation.decode(message.value) for message in decision.messages]


@pytest.mark.row(41)
async def test_listener_with_very_many_events_gets_one_list_and_takes_none_from_the_others(redis: Redis) -> None:
    handler = ranking(redis)
    waiting = [snapshot("bot", "a", revision=n, offset=n) for n in range(1, handler.max_batch - 1)]
    others = [snapshot(user, "a", offset=1_000 + n) for n, user in enumerate(("ada", "ben"))]

    decision = await handler.decide(batch([*waiting, *others]))

    bot, *rest = lists(decision)
    assert (bot.user_id, bot.session_revision) == ("bot", waiting[-1].revision)
    assert set(bot.passed_over) == {s.trigger.event_id for s in waiting[:-1]}
    assert [made.user_id for made in rest] == ["ada", "ben"]
    assert decision.outcomes == {EventOutcome.LISTED: 3, EventOutcome.PASSED_OVER: len(waiting) - 1}


@pytest.mark.row(37)
async def test_event_that_is_stale_gets_no_list_and_one_that_is_not_does(redis: Redis) -> None:
    now_ms = time.time_ns() // 1_000_000
    hour_ms = 3_600_000
    handler = ranking(redis, RankingAgentSettings(stale_after_ms=hour_ms))
    old, fresh = (
        snapshot(user, "a", published_at_ms=now_ms - age_ms) for user, age_ms in (("old", 2 * hour_ms), ("fresh", 0))
    )

    decision = await handler.decide(batch([old, fresh]))

    assert [made.user_id for made in lists(decision)] == ["fresh"]
    assert decision.outcomes == Counter({EventOutcome.STALE: 1, EventOutcome.LISTED: 1})


@pytest.mark.row(17)
async def test_clock_ahead_by_more_than_what_is_stale_gives_no_list_and_says_stale(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time()
    handler = ranking(redis, RankingAgentSettings(stale_after_ms=600_000))
    fresh = batch([snapshot("ada", "a", published_at_ms=round(now_s * 1000))])
    monkeypatch.setattr(time, "time", lambda: now_s + 601)

    decision = await handler.decide(fresh)

    assert decision.messages == []
    assert decision.outcomes == Counter({EventOutcome.STALE: 1})


@pytest.mark.row(17)
@pytest.mark.parametrize("years", [-20, 20])
async def test_clock_that_jumps_changes_nothing_in_a_list_but_its_times(
    years: int, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = batch([snapshot(user, "a", offset=n) for n, user in enumerate(("ada", "ben"))])
    before = lists(await ranking(redis).decide(snapshots))
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + years * 365 * 86_400 * 10**9)

    after = lists(await ranking(redis).decide(snapshots))

    def timeless(made: Recommendation) -> Recommendation:
        return made.model_copy(update={"generated_at_ms": 0, "timings": None})

    assert [timeless(made) for made in after] == [timeless(made) for made in before]
    assert after[0].generated_at_ms != before[0].generated_at_ms
