"""Laws of the session logic over random listeners."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrec.contracts import EventType, ListenEvent, SessionSnapshot
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.session import Applied, Duplicate, ListenerState, Position, apply, standing_session
from musicrec.settings import SessionSettings

RULES = SessionSettings()
START_MS = 1_700_000_000_000
FAR_FUTURE_MS = 4_000_000_000_000

FEEDBACK = (
    EventType.LIKE,
    EventType.DISLIKE,
    EventType.BLOCK_TRACK,
    EventType.UNBLOCK_TRACK,
    EventType.SET_DISCOVERY,
)


@st.composite
def histories(draw: st.DrawFn) -> list[ListenEvent]:
    """Events of one listener in event-time order, with gaps around the limit and ties."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 30_000, 180_000, 2_399_999, 2_400_000, 2_400_001, 9_000_000]),
                st.sampled_from([0, 1_000, 29_999, 180_000, 2_399_000, 7_200_000]),
                st.integers(0, 4),
                st.sampled_from([EventType.PLAY] * 5 + [EventType.SKIP, *FEEDBACK]),
                st.sampled_from([None, None, "AT", "DE"]),
            ),
            min_size=1,
            max_size=25,
        )
    )
    events, now_ms = [], START_MS
    for number, (pause_ms, ms_played, track, kind, market) in enumerate(steps):
        now_ms += pause_ms + (ms_played if kind.is_listen else 0)
        events.append(
            ListenEvent(
                event_id=f"e{number:03}",
                user_id="u",
                type=kind,
                occurred_at_ms=now_ms,
                track_id=f"t{track}",
                ms_played=ms_played if kind.is_listen else None,
                discovery=track / 4 if kind is EventType.SET_DISCOVERY else None,
                market=market,
            )
        )
    return events


def run(events: list[ListenEvent], state: ListenerState | None = None) -> tuple[ListenerState, list[SessionSnapshot]]:
    state = state or ListenerState()
    snapshots = []
    for offset, event in enumerate(events, start=state.offset + 1):
        result = apply(state, event, Position("c", 0, offset, FAR_FUTURE_MS), RULES)
        state = result.state
        if isinstance(result, Applied):
            snapshots.append(result.snapshot)
    return state, snapshots


def fate(state: ListenerState, event: ListenEvent, offset: int) -> type | DeadLetterReason:
    """Return what becomes of an event: the kind of result, or the reason of its refusal."""
    try:
        return type(apply(state, event, Position("c", 0, offset, FAR_FUTURE_MS), RULES))
    except BadInput as error:
        return error.reason


def shuffled_within_grace(events: list[ListenEvent], seed: int) -> list[ListenEvent]:
    """Return an order of arrival in which no event is later than the grace allows."""
    order = random.Random(seed)
    delay_ms = {event.event_id: order.uniform(0, RULES.grace_ms) for event in events}
    return sorted(events, key=lambda event: (event.occurred_at_ms + delay_ms[event.event_id], event.event_id))


def sessions(events: list[ListenEvent]) -> list[list[ListenEvent]]:
    """Cut listens by the definition alone: the oracle."""
    cut: list[list[ListenEvent]] = []
    for event in events:
        if not event.type.is_listen:
            continue
        if cut and event.started_at_ms - cut[-1][-1].occurred_at_ms < RULES.gap_ms:
            cut[-1].append(event)
        else:
            cut.append([event])
    return cut


@given(histories())
def test_sessions_are_those_of_the_definition(events: list[ListenEvent]) -> None:
    _, snapshots = run(events)
    ends = {s.session_id: s for s in snapshots if s.session_id is not None and s.trigger.type.is_listen}
    seen = [sorted({e.track_id for e in session}) for session in sessions(events)]
    assert [sorted(entry.track_id for entry in s.entries) for s in ends.values()] == seen


@pytest.mark.row(15, 16)
@given(histories(), st.integers(0, 2**32))
@settings(max_examples=300)
def test_any_order_within_the_grace_gives_the_same_state(events: list[ListenEvent], seed: int) -> None:
    in_order, snapshots = run(events)
    late, late_snapshots = run(shuffled_within_grace(events, seed))
    assert late.events == in_order.events
    assert late.tracks == in_order.tracks
    assert late.discovery == in_order.discovery
    assert late.market == in_order.market
    final = {s.session_id: s.entries for s in snapshots if s.session_id}
    last_seen = {s.session_id: s.entries for s in late_snapshots if s.session_id}
    replaced = {old for s in late_snapshots for old in s.supersedes}
    assert set(last_seen) - replaced == set(final) - replaced


@pytest.mark.row(14)
@given(histories())
def test_fed_twice_is_fed_once(events: list[ListenEvent]) -> None:
    once, _ = run(events)
    state = once
    for offset, event in enumerate(events):
        result = apply(state, event, Position("c", 0, offset, FAR_FUTURE_MS), RULES)
        assert isinstance(result, Duplicate)
        state = result.state
    assert state == once


@pytest.mark.row(14)
@given(histories())
def test_sent_twice_under_new_offsets_counts_once(events: list[ListenEvent]) -> None:
    state, snapshots = ListenerState(), 0
    for offset, event in enumerate(event for event in events for _ in range(2)):
        result = apply(state, event, Position("c", 0, offset, FAR_FUTURE_MS), RULES)
        snapshots += isinstance(result, Applied)
        state = result.state
    assert snapshots == len(events) == state.revision


@pytest.mark.row(37)
@given(histories(), st.integers(0, 25), st.integers(0, 10**9))
def test_an_event_that_is_replayed_at_any_later_time_is_known_or_too_late(
    events: list[ListenEvent], after: int, days_later_ms: int
) -> None:
    state, _ = run(events[: after + 1])
    replayed = events[: after + 1]
    later = events[-1].model_copy(update={"event_id": "x", "occurred_at_ms": events[-1].occurred_at_ms + days_later_ms})
    state, _ = run([*events[after + 1 :], later], state)
    for offset, event in enumerate(replayed, start=state.offset + 1):
        assert fate(state, event, offset) in (Duplicate, DeadLetterReason.TOO_LATE)


@given(histories(), st.integers(0, 25))
def test_stopped_and_restored_is_never_stopped(events: list[ListenEvent], stop_after: int) -> None:
    whole, snapshots = run(events)
    first, before = run(events[:stop_after])
    second, after = run(events[stop_after:], ListenerState.decode(first.encode()))
    assert second == whole
    assert before + after == snapshots


@given(histories())
def test_the_session_that_stands_in_the_state_is_the_one_published_last(events: list[ListenEvent]) -> None:
    state, snapshots = run(events)
    standing = standing_session("u", ListenerState.decode(state.encode()), RULES)
    assert standing is not None
    published_at_ms = snapshots[-1].trigger.published_at_ms
    trigger = standing.trigger.model_copy(update={"published_at_ms": published_at_ms})
    assert standing.model_copy(update={"trigger": trigger}) == snapshots[-1]


def test_nobody_stands_in_a_state_without_events() -> None:
    assert standing_session("u", ListenerState(), RULES) is None


@pytest.mark.row(15)
@given(histories(), st.integers(0, 2**32))
def test_refused_event_leaves_the_state_untouched(events: list[ListenEvent], seed: int) -> None:
    order = list(events)
    random.Random(seed).shuffle(order)
    state = ListenerState()
    for offset, event in enumerate(order):
        before = state.encode()
        try:
            state = apply(state, event, Position("c", 0, offset, FAR_FUTURE_MS), RULES).state
        except BadInput:
            assert state.encode() == before
