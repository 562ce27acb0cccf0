"""Where sessions begin and end, and what late, repeated and impossible events do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from musicrec.contracts import EventType, ListenEvent, ListenOutcome, SessionSnapshot
from musicrec.errors import BadInput, DeadLetterReason, Incompatible
from musicrec.session import Applied, Duplicate, ListenerState, Position, apply
from musicrec.session.feedback import WEIGHT_SETTINGS
from musicrec.session.sessionizer import MAX_BLOCKED, MAX_EVENTS
from musicrec.settings import SessionSettings, load_settings

RULES = SessionSettings()
NOON_MS = 1_700_000_000_000
MINUTE_MS = 60_000


class Listener:
    """Feeds events to the logic and keeps what comes out."""

    def __init__(self, rules: SessionSettings = RULES) -> None:
        self.rules = rules
        self.state = ListenerState()
        self.snapshots: list[SessionSnapshot] = []
        self.offset = 0

    def send(self, event: ListenEvent, *, offset: int | None = None) -> Applied | Duplicate:
        """Apply one event at the next offset, or at a given one."""
        at = self.offset if offset is None else offset
        self.offset = max(self.offset, at + 1)
        result = apply(self.state, event, Position("cluster", 3, at, NOON_MS + 10**11), self.rules)
        self.state = result.state
        if isinstance(result, Applied):
            self.snapshots.append(result.snapshot)
        return result

    def play(self, track: str, *, end_min: float, minutes: float = 3, **fields: Any) -> SessionSnapshot:
        """Apply a play that ends `end_min` minutes after noon."""
        self.send(play(track, end_min=end_min, minutes=minutes, **fields))
        return self.snapshots[-1]


def play(track: str, *, end_min: float, minutes: float = 3, **fields: Any) -> ListenEvent:
    values: dict[str, Any] = {
        "event_id": f"{track}@{end_min}",
        "user_id": "u",
        "type": EventType.PLAY,
        "occurred_at_ms": NOON_MS + round(end_min * MINUTE_MS),
        "track_id": track,
        "ms_played": round(minutes * MINUTE_MS),
        "duration_ms": 3 * MINUTE_MS,
    }
    return ListenEvent(**(values | fields))


def dial(value: float, *, at_min: float) -> ListenEvent:
    return ListenEvent(
        event_id=f"dial-{value}@{at_min}",
        user_id="u",
        type=EventType.SET_DISCOVERY,
        occurred_at_ms=NOON_MS + round(at_min * MINUTE_MS),
        discovery=value,
    )


def feedback(kind: EventType, *, at_min: float, track: str | None = None, artist: str | None = None) -> ListenEvent:
    return ListenEvent(
        event_id=f"{kind}-{track or artist}@{at_min}",
        user_id="u",
        type=kind,
        occurred_at_ms=NOON_MS + round(at_min * MINUTE_MS),
        track_id=track,
        artist_id=artist,
    )


def tracks(snapshot: SessionSnapshot) -> list[str]:
    return [entry.track_id for entry in snapshot.entries]


def test_play_that_starts_just_under_40_minutes_later_continues_the_session() -> None:
    listener = Listener()
    first = listener.play("a", end_min=0)
    second = listener.play("b", end_min=3 + 40 - 1 / MINUTE_MS)
    assert second.session_id == first.session_id
    assert tracks(second) == ["a", "b"]


def test_play_that_starts_exactly_40_minutes_later_starts_a_new_session() -> None:
    listener = Listener()
    first = listener.play("a", end_min=0)
    second = listener.play("b", end_min=3 + 40)
    assert second.session_id != first.session_id
    assert tracks(second) == ["b"]
    assert second.previous_track_id is None


def test_gap_is_measured_from_end_to_start_and_not_from_end_to_end() -> None:
    listener = Listener()
    first = listener.play("a", end_min=0)
    long_mix = listener.play("mix", end_min=90, minutes=85, duration_ms=85 * MINUTE_MS)
    assert long_mix.session_id == first.session_id


def test_track_heard_again_is_one_entry_at_its_last_place() -> None:
    listener = Listener()
    for end_min, track in enumerate(["a", "b", "a"]):
        snapshot = listener.play(track, end_min=4 * end_min)
    assert tracks(snapshot) == ["b", "a"]
    assert [entry.listens for entry in snapshot.entries] == [1, 2]
    assert snapshot.previous_track_id == "b"


def test_first_snapshot_states_the_session_and_its_trigger() -> None:
    snapshot = Listener().play("a", end_min=0, artist_id="x")
    assert snapshot.revision == 1
    assert snapshot.started_at_ms == NOON_MS - 3 * MINUTE_MS
    assert snapshot.last_ended_at_ms == NOON_MS
    assert snapshot.trigger.outcome is ListenOutcome.COMPLETED
    assert (snapshot.trigger.partition, snapshot.trigger.offset) == (3, 0)
    assert snapshot.entries[0].artist_id == "x"
    assert snapshot.entries[0].played_fraction == 1.0


@pytest.mark.row(15)
def test_late_event_within_the_grace_is_put_in_its_place() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.play("c", end_min=9)
    late = listener.play("b", end_min=4)
    assert tracks(late) == ["a", "b", "c"]
    assert late.previous_track_id == "a"


@pytest.mark.row(15)
def test_late_event_that_bridges_two_sessions_joins_them_and_says_which_id_it_replaces() -> None:
    listener = Listener()
    first = listener.play("a", end_min=0)
    second = listener.play("c", end_min=45)
    assert second.session_id != first.session_id
    bridge = listener.play("b", end_min=37)
    assert tracks(bridge) == ["a", "b", "c"]
    assert bridge.session_id == first.session_id
    assert bridge.supersedes == (second.session_id,)


def test_late_event_before_the_first_listen_moves_the_start_and_replaces_the_id() -> None:
    listener = Listener()
    first = listener.play("b", end_min=5)
    earlier = listener.play("a", end_min=0)
    assert tracks(earlier) == ["a", "b"]
    assert earlier.supersedes == (first.session_id,)


@pytest.mark.row(15)
def test_event_later_than_the_grace_is_refused_and_changes_nothing() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    before = listener.state
    with pytest.raises(BadInput, match="behind the listener's newest event") as refused:
        listener.send(play("b", end_min=-10.01))
    assert refused.value.reason is DeadLetterReason.TOO_LATE
    assert listener.state is before
    assert tracks(listener.play("c", end_min=-10)) == ["c", "a"]


@pytest.mark.row(15)
def test_event_ahead_of_the_broker_clock_is_refused() -> None:
    ahead = play("a", end_min=0)
    now = Position("cluster", 0, 0, ahead.occurred_at_ms - RULES.future_tolerance_ms)
    assert isinstance(apply(ListenerState(), ahead, now, RULES), Applied)
    with pytest.raises(BadInput) as refused:
        apply(ListenerState(), ahead, now._replace(timestamp_ms=now.timestamp_ms - 1), RULES)
    assert refused.value.reason is DeadLetterReason.IN_THE_FUTURE


@pytest.mark.row(14)
def test_same_event_id_with_the_same_body_is_a_duplicate() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    assert isinstance(listener.send(play("a", end_min=0)), Duplicate)
    assert listener.state.revision == 1


@pytest.mark.row(14)
def test_same_event_id_with_another_body_is_refused() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    with pytest.raises(BadInput) as refused:
        listener.send(play("b", end_min=1, event_id="a@0"))
    assert refused.value.reason is DeadLetterReason.CONFLICTING_DUPLICATE


@pytest.mark.row(14)
def test_redelivered_offset_is_a_duplicate_even_when_the_event_was_forgotten() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.play("b", end_min=600)
    assert all(event.track_id != "a" for event in listener.state.events)
    assert isinstance(listener.send(play("a", end_min=0), offset=0), Duplicate)


@pytest.mark.row(20)
@pytest.mark.parametrize("change", [{"origin": "another cluster"}, {"partition": 4}])
def test_offsets_of_another_cluster_or_partition_are_not_compared(change: dict[str, Any]) -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    at = Position("cluster", 3, 0, NOON_MS + 10**11)._replace(**change)
    assert isinstance(apply(listener.state, play("b", end_min=4), at, RULES), Applied)


def test_feedback_counts_for_its_track_and_moves_no_boundary() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.send(feedback(EventType.LIKE, at_min=1, track="a"))
    listener.send(feedback(EventType.SAVE, at_min=39, track="a"))
    liked = listener.snapshots[-1]
    assert liked.entries[0].feedback == 2.0 + 3.0
    assert liked.trigger.outcome is None
    assert listener.play("b", end_min=43).entries == listener.snapshots[-1].entries
    assert tracks(listener.snapshots[-1]) == ["b"]


@pytest.mark.parametrize(
    ("kind", "setting", "usual"),
    [
        (EventType.LIKE, "like_weight", 2.0),
        (EventType.SAVE, "save_weight", 3.0),
        (EventType.SHARE, "share_weight", 3.0),
        (EventType.PURCHASE, "purchase_weight", 5.0),
        (EventType.DISLIKE, "dislike_weight", -3.0),
        (EventType.BLOCK_TRACK, "block_weight", -5.0),
    ],
)
def test_each_kind_of_feedback_weighs_what_its_setting_says(kind: EventType, setting: str, usual: float) -> None:
    assert WEIGHT_SETTINGS[kind] == setting
    for rules, weight in ((RULES, usual), (SessionSettings(**{setting: 0.25 * usual}), 0.25 * usual)):
        listener = Listener(rules)
        listener.play("a", end_min=0)
        listener.send(feedback(kind, at_min=1, track="a"))
        assert listener.snapshots[-1].entries[0].feedback == weight


def test_to_unblock_a_track_takes_nothing_back_and_a_dial_weighs_nothing() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.send(feedback(EventType.BLOCK_TRACK, at_min=1, track="a"))
    listener.send(feedback(EventType.UNBLOCK_TRACK, at_min=2, track="a"))
    listener.send(dial(1.0, at_min=3))
    assert listener.snapshots[-1].entries[0].feedback == -5.0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIKE_WEIGHT", "-1"),
        ("DISLIKE_WEIGHT", "1"),
        ("PURCHASE_WEIGHT", "101"),
        ("BLOCK_WEIGHT", "-inf"),
        ("SHARE_WEIGHT", "nan"),
    ],
)
def test_a_weight_that_says_the_contrary_or_has_no_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"MUSICREC_SESSION__{variable}", value)
    with pytest.raises(Incompatible, match=f"^MUSICREC_SESSION__{variable}: "):
        load_settings()


def test_feedback_outside_any_session_has_no_session() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.send(feedback(EventType.DISLIKE, at_min=40, track="a"))
    assert listener.snapshots[-1].session_id is None
    assert listener.snapshots[-1].entries == ()


def test_blocks_outlive_the_session_and_end_when_unblocked() -> None:
    listener = Listener()
    listener.send(feedback(EventType.BLOCK_TRACK, at_min=0, track="t"))
    listener.send(feedback(EventType.BLOCK_ARTIST, at_min=0, artist="x"))
    snapshot = listener.play("a", end_min=100_000)
    assert (snapshot.blocked_tracks, snapshot.blocked_artists) == (("t",), ("x",))
    listener.send(feedback(EventType.UNBLOCK_TRACK, at_min=100_001, track="t"))
    assert listener.snapshots[-1].blocked_tracks == ()


def test_later_word_on_a_block_wins_whatever_arrives_first() -> None:
    listener = Listener()
    listener.send(feedback(EventType.UNBLOCK_TRACK, at_min=5, track="t"))
    listener.send(feedback(EventType.BLOCK_TRACK, at_min=3, track="t"))
    assert listener.snapshots[-1].blocked_tracks == ()


def test_a_dial_outlives_the_session_and_nobody_has_one_before_they_set_it() -> None:
    listener = Listener()
    assert listener.play("a", end_min=0).discovery is None
    listener.send(dial(-0.5, at_min=1))
    assert listener.snapshots[-1].discovery == -0.5
    assert tracks(listener.snapshots[-1]) == ["a"]
    assert listener.play("b", end_min=100_000).discovery == -0.5
    listener.send(dial(0.0, at_min=100_001))
    assert listener.snapshots[-1].discovery == 0.0


def test_later_word_on_a_dial_wins_whatever_arrives_first() -> None:
    for values in ((0.2, 0.8), (0.8, 0.2)):
        listener = Listener()
        listener.send(dial(-1.0, at_min=5))
        listener.send(dial(0.5, at_min=3))
        assert listener.snapshots[-1].discovery == -1.0
        for value in values:
            listener.send(dial(value, at_min=6))
        assert listener.snapshots[-1].discovery == 0.8  # one of the two, in both orders


def test_whoever_set_a_dial_or_blocks_something_is_kept() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.send(feedback(EventType.LIKE, at_min=1, track="a"))
    assert not listener.state.is_kept
    listener.send(dial(0.0, at_min=2))
    assert listener.state.is_kept


def test_more_blocks_than_the_limit_are_refused() -> None:
    listener = Listener()
    for i in range(MAX_BLOCKED):
        listener.send(feedback(EventType.BLOCK_TRACK, at_min=i / 100, track=f"t{i}"))
    with pytest.raises(BadInput, match="can block"):
        listener.send(feedback(EventType.BLOCK_TRACK, at_min=20, track="one too many"))


@pytest.mark.row(41, 42)
def test_endless_session_keeps_its_id_and_counts_what_it_leaves_out() -> None:
    listener = Listener()
    count = 3 * MAX_EVENTS
    for i in range(count):
        snapshot = listener.play(f"t{i}", end_min=4 * i)
    assert len(listener.state.events) <= MAX_EVENTS
    assert len({s.session_id for s in listener.snapshots}) == 1
    assert snapshot.started_at_ms == NOON_MS - 3 * MINUTE_MS
    assert len(snapshot.entries) == RULES.max_entries
    assert len(snapshot.entries) + snapshot.entries_left_out == count


def test_state_survives_encoding() -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    listener.send(feedback(EventType.BLOCK_ARTIST, at_min=1, artist="x"))
    assert ListenerState.decode(listener.state.encode()) == listener.state
    listener.send(dial(0.25, at_min=2))
    assert ListenerState.decode(listener.state.encode()) == listener.state


@pytest.mark.row(43)
def test_state_without_a_dial_is_written_and_read_as_before_dials() -> None:
    stored = (
        b'[1,1,1700000000000,[[1700000000000,"a@0","play","a",null,180000,180000,790340585]],null,'
        b'[],[["x",[1,true]]],"cluster",3,0]'
    )
    state = ListenerState.decode(stored)
    assert state.discovery is None
    assert state.encode() == stored


@pytest.mark.row(43)
def test_state_with_a_dial_is_told_to_older_releases_as_one_that_they_do_not_read() -> None:
    listener = Listener()
    listener.send(dial(0.25, at_min=0))
    stored = listener.state.encode()
    assert stored.startswith(b"[2,")
    for damaged in (stored.replace(b"[2,", b"[1,", 1), stored.replace(b",0.25]]", b",1.25]]")):
        assert damaged != stored
        with pytest.raises(BadInput, match="a damaged session state"):
            ListenerState.decode(damaged)


def test_a_listener_is_where_the_newest_event_says_whatever_arrives_first() -> None:
    listener = Listener()
    assert listener.play("a", end_min=0).market is None
    assert listener.play("b", end_min=5, market="DE").market == "DE"
    assert listener.play("c", end_min=9).market == "DE"
    assert listener.play("d", end_min=4, market="AT").market == "DE"
    assert listener.play("e", end_min=60, market="AT").market == "AT"
    listener.send(dial(0.5, at_min=61))
    assert listener.snapshots[-1].market == "AT"


def test_a_market_alone_keeps_no_listener() -> None:
    listener = Listener()
    listener.play("a", end_min=0, market="DE")
    assert not listener.state.is_kept


@pytest.mark.row(43)
@pytest.mark.parametrize("also_dial", [False, True])
def test_state_with_a_market_is_told_to_older_releases_as_one_that_they_do_not_read(also_dial: bool) -> None:
    listener = Listener()
    if also_dial:
        listener.send(dial(0.25, at_min=0))
    listener.play("a", end_min=1, market="DE")
    stored = listener.state.encode()
    assert stored.startswith(b"[3,")
    assert ListenerState.decode(stored) == listener.state
    for damaged in (
        stored.replace(b"[3,", b"[2,", 1),
        stored.replace(b"[3,", b"[1,", 1),
        stored.replace(b'"DE"', b'"de"'),
    ):
        assert damaged != stored
        with pytest.raises(BadInput, match="a damaged session state"):
            ListenerState.decode(damaged)


@pytest.mark.row(43)
def test_state_of_another_version_is_refused() -> None:
    stored = replace(ListenerState(), revision=1).encode().replace(b"[1,", b"[9,", 1)
    with pytest.raises(Incompatible, match="version 9"):
        ListenerState.decode(stored)


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: b"",
        lambda stored: stored[:-1],
        lambda stored: stored[:-1] + b",1]",
        lambda stored: b"{}",
        lambda stored: b"[[]]",
        lambda stored: stored.replace(b'"play"', b"5"),
        lambda stored: stored.replace(b",180000,", b",NaN,"),
        lambda stored: stored.replace(b",180000,", b",true,"),
        lambda stored: stored.replace(b'"a@0"', b'"\xff"'),
        lambda stored: b"[" * 10_000,
    ],
)
def test_a_damaged_state_is_told_apart_from_one_of_another_release(damage: Callable[[bytes], bytes]) -> None:
    listener = Listener()
    listener.play("a", end_min=0)
    stored = listener.state.encode()
    damaged = damage(stored)
    assert damaged != stored
    with pytest.raises(BadInput, match="a damaged session state") as caught:
        ListenerState.decode(damaged)
    assert caught.value.reason is DeadLetterReason.UNREADABLE_STATE
