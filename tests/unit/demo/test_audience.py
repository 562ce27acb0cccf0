"""The invented audience: in order, the same for the same seed, and with something to be learned."""

from collections import Counter
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrec.contracts import EventType, ListenEvent, Track
from musicrec.demo import Audience, generate_tracks
from musicrec.demo.audience import EVENTS_PER_LISTENER_S
from musicrec.errors import BadInput

START_MS = 1_790_000_000_000
TRACKS = generate_tracks(7, now_ms=START_MS)


def events_of(
    count: int, *, tracks: tuple[Track, ...] = TRACKS, listeners: int = 40, seed: int = 1
) -> list[ListenEvent]:
    return list(islice(Audience(tracks, listeners=listeners, seed=seed).events(START_MS), count))


@settings(max_examples=20, deadline=None)
@given(listeners=st.integers(1, 30), seed=st.integers(0, 2**32), tracks=st.integers(1, len(TRACKS)))
def test_events_come_in_event_time_order_with_ids_of_their_own(listeners: int, seed: int, tracks: int) -> None:
    events = events_of(120, tracks=TRACKS[:tracks], listeners=listeners, seed=seed)
    times = [event.occurred_at_ms for event in events]
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert len({event.event_id for event in events}) == 120


def test_the_same_seed_gives_the_same_people_doing_the_same() -> None:
    assert events_of(500, seed=4) == events_of(500, seed=4)
    assert events_of(500, seed=4) != events_of(500, seed=5)


def test_another_start_gives_other_event_ids() -> None:
    audience = Audience(TRACKS, listeners=5, seed=1)
    first = {event.event_id for event in islice(audience.events(START_MS), 100)}
    second = {event.event_id for event in islice(audience.events(START_MS + 1), 100)}
    assert not first & second


def test_listens_of_one_person_do_not_overlap() -> None:
    ended_ms: dict[str, int] = {}
    for event in events_of(3_000):
        if event.type.is_listen:
            assert event.started_at_ms > ended_ms.get(event.user_id, 0)
            ended_ms[event.user_id] = event.occurred_at_ms


def test_a_play_lasts_as_long_as_its_track_and_a_skip_is_shorter() -> None:
    lengths = {track.track_id: track.duration_ms for track in TRACKS}
    for event in events_of(1_000):
        if event.type is EventType.PLAY:
            assert event.ms_played == lengths[event.track_id or ""]
        elif event.type is EventType.SKIP:
            assert event.ms_played is not None
            assert event.ms_played < (lengths[event.track_id or ""] or 0)


def test_a_track_is_not_played_before_its_release_and_found_after_it() -> None:
    released_ms = {track.track_id: track.released_at_ms or 0 for track in TRACKS}
    events = [event for event in events_of(12_000, listeners=300) if event.type.is_listen]
    assert all(event.started_at_ms >= released_ms[event.track_id or ""] for event in events)
    late = {track_id for track_id, moment_ms in released_ms.items() if moment_ms > START_MS}
    assert late == late & {event.track_id for event in events}


def test_what_a_listener_blocked_they_do_not_play_again() -> None:
    artist_of = {track.track_id: track.artist_id for track in TRACKS}
    blocked_tracks: set[tuple[str, str | None]] = set()
    blocked_artists: set[tuple[str, str | None]] = set()
    for event in events_of(30_000, listeners=100):
        if event.type.is_listen:
            assert (event.user_id, event.track_id) not in blocked_tracks
            assert (event.user_id, artist_of[event.track_id or ""]) not in blocked_artists
        elif event.type is EventType.BLOCK_TRACK:
            blocked_tracks.add((event.user_id, event.track_id))
        elif event.type is EventType.BLOCK_ARTIST:
            blocked_artists.add((event.user_id, event.artist_id))
    assert blocked_tracks
    assert blocked_artists


def test_every_kind_of_event_occurs_and_most_are_plays() -> None:
    kinds = Counter(event.type for event in events_of(30_000, listeners=200))
    assert {EventType.SKIP, EventType.LIKE, EventType.SAVE, EventType.DISLIKE} <= set(kinds)
    assert kinds[EventType.PLAY] > kinds.total() / 2


def test_some_listeners_turn_the_dial_and_most_never_do() -> None:
    events = events_of(30_000, listeners=200)
    turned: dict[str, list[float | None]] = {}
    for event in events:
        if event.type is EventType.SET_DISCOVERY:
            assert (event.track_id, event.artist_id) == (None, None)
            turned.setdefault(event.user_id, []).append(event.discovery)
    assert 0.15 < len(turned) / len({event.user_id for event in events}) < 0.45
    assert {dial for dials in turned.values() for dial in dials} == {-1.0, -0.5, 0.0, 0.5, 1.0}
    for dials in turned.values():
        assert all(before != after for before, after in pairwise(dials))


def test_some_pauses_end_a_session_and_some_do_not() -> None:
    ended_ms: dict[str, int] = {}
    pauses_ms = []
    for event in events_of(5_000):
        if event.type.is_listen:
            if event.user_id in ended_ms:
                pauses_ms.append(event.started_at_ms - ended_ms[event.user_id])
            ended_ms[event.user_id] = event.occurred_at_ms
    assert any(pause_ms >= 40 * 60_000 for pause_ms in pauses_ms)
    assert any(60_000 < pause_ms < 40 * 60_000 for pause_ms in pauses_ms)


def test_the_next_track_is_far_from_a_matter_of_chance() -> None:
    """The most frequent successor of a track is right several times as often as any one track would be."""
    pairs: dict[str, Counter[str]] = {}
    last: dict[str, str] = {}
    for event in events_of(40_000, listeners=200):
        if event.type is EventType.PLAY and event.track_id is not None:
            if event.user_id in last:
                pairs.setdefault(last[event.user_id], Counter())[event.track_id] += 1
            last[event.user_id] = event.track_id
    best = sum(successors.most_common(1)[0][1] for successors in pairs.values())
    assert best / sum(successors.total() for successors in pairs.values()) > 5 / len(TRACKS)


def test_nobody_and_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="at least one"):
        Audience(TRACKS, listeners=0)
    with pytest.raises(BadInput, match="at least one track"):
        Audience([])
    with pytest.raises(BadInput, match="demo-track"):
        Audience([TRACKS[0].model_copy(update={"tags": ()})])


def test_so_many_listeners_cause_as_many_events_as_is_said_of_them() -> None:
    listeners, seconds = 2_000, 120
    until_ms = START_MS + 1_000 * seconds
    events = Audience(TRACKS, listeners=listeners).events(START_MS)
    count = sum(1 for _ in takewhile(lambda event: event.occurred_at_ms < until_ms, events))
    assert count / seconds / listeners == pytest.approx(EVENTS_PER_LISTENER_S, rel=0.2)
