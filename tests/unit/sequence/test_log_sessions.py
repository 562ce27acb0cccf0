"""Sessions of a log, as a network learns from them."""

from musicrec.contracts import EventType, ListenEvent
from musicrec.sequence.contexts import context_of
from musicrec.sequence.log_sessions import sessions_of

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000


def log(*heard: tuple[str, int, str]) -> list[ListenEvent]:
    """Return events of (listener, minute, track); "-a" is a skip of a."""
    return [
        ListenEvent(
            event_id=f"e{number:03d}",
            user_id=user,
            type=EventType.SKIP if track.startswith("-") else EventType.PLAY,
            occurred_at_ms=START_MS + minute * MINUTE_MS,
            track_id=track.removeprefix("-"),
            ms_played=5_000 if track.startswith("-") else 170_000,
        )
        for number, (user, minute, track) in enumerate(heard)
    ]


def test_a_pause_ends_a_session_and_listeners_have_their_own() -> None:
    events = log(
        ("ann", 0, "a"), ("ben", 1, "x"), ("ann", 3, "b"), ("ben", 4, "y"), ("ann", 100, "c"), ("ann", 104, "d")
    )
    assert [session.tracks for session in sessions_of(events)] == [["a", "b"], ["x", "y"], ["c", "d"]]
    assert [s.ended_at_ms for s in sessions_of(events)] == [START_MS + m * MINUTE_MS for m in (3, 4, 104)]


def test_skips_are_kept_as_such_and_a_track_that_goes_on_counts_once() -> None:
    events = log(("ann", 0, "a"), ("ann", 3, "-b"), ("ann", 4, "c"), ("ann", 8, "c"), ("ben", 9, "x"), ("ben", 12, "x"))
    (session,) = sessions_of(events)  # ben heard one track
    assert session.tracks == ["a", "b", "c"]
    assert session.contexts == [context_of(False, 0), context_of(True, 180), context_of(False, 240)]


def test_an_event_that_comes_twice_counts_once() -> None:
    events = log(("ann", 0, "a"), ("ann", 3, "b"), ("ann", 6, "a"))
    assert [session.tracks for session in sessions_of([*events, events[1]])] == [["a", "b", "a"]]
