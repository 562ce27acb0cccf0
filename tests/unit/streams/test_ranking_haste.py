"""Which snapshots of a lag somebody waits for."""

import time
from typing import cast

from musicrec.contracts import EventType, ListenOutcome, SessionSnapshot, Trigger
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings
from streams.express_lane import Haste
from streams.list_store import ListStore
from streams.ranking_agent import LIVE_MS, Rankers, SessionRanking
from streams.running_sessions import RunningSessions

MINUTE_MS = 60_000


def haste_of(published_at_ms: int, applied_at_ms: int, *, stale_after_ms: int = 10 * MINUTE_MS) -> Haste:
    trigger = Trigger(
        event_id="e",
        type=EventType.PLAY,
        track_id="t",
        outcome=ListenOutcome.COMPLETED,
        occurred_at_ms=published_at_ms,
        published_at_ms=published_at_ms,
        partition=0,
        offset=0,
    )
    value = SessionSnapshot(user_id="ada", revision=1, trigger=trigger).encode()
    return ranking(stale_after_ms).haste_of(value, applied_at_ms)


def now_ms() -> int:
    """Asked anew by each test: a suite takes longer than an event takes to become stale."""
    return time.time_ns() // 1_000_000


def ranking(stale_after_ms: int = 10 * MINUTE_MS) -> SessionRanking:
    # What decides is the setting alone.
    nothing = cast(Variants, None), cast(RunningSessions, None), cast(ListStore, None)
    settings = RankingAgentSettings(stale_after_ms=stale_after_ms)
    return SessionRanking(Rankers(*nothing, settings, index_version=lambda: "i"))


def test_somebody_waits_for_a_list_if_the_event_was_applied_at_once() -> None:
    published_ms = now_ms()
    assert haste_of(published_ms, published_ms + LIVE_MS - 1) is Haste.LIVE


def test_event_that_had_waited_in_a_lag_waits_for_its_turn_and_keeps_its_place() -> None:
    applied_ms = now_ms()
    assert haste_of(applied_ms - MINUTE_MS, applied_ms) is Haste.ORDER


def test_stale_event_gets_no_list_and_is_left_to_the_stream() -> None:
    stale_ms = now_ms() - 11 * MINUTE_MS
    assert haste_of(stale_ms, stale_ms) is Haste.NONE
    assert haste_of(stale_ms, stale_ms, stale_after_ms=0) is Haste.LIVE


def test_what_cannot_be_read_is_left_to_the_stream_that_refuses_it() -> None:
    assert ranking().haste_of(b"{", now_ms()) is Haste.NONE
    assert ranking().haste_of(None, now_ms()) is Haste.NONE
