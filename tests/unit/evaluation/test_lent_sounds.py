"""Real sounds lent to the tracks of a log, and tracks that are held out of it."""

import numpy as np
import pytest

from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput
from musicrec.evaluation.lent_sounds import lend, moments, rank_among, recall_at

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000


def log(plays: str) -> list[ListenEvent]:
    """Return plays of "artist-number" tracks, three minutes apart, of one listener."""
    return [
        ListenEvent(
            event_id=f"e{number:03d}",
            user_id="ann",
            type=EventType.PLAY,
            occurred_at_ms=START_MS + 3 * number * MINUTE_MS,
            track_id=track,
            artist_id=track.split("-")[0],
            ms_played=170_000,
        )
        for number, track in enumerate(plays.split())
    ]


PLAYS = log("x-1 x-2 x-1 x-3 y-1 y-2 y-3 y-3 z-1 x-1 x-4 x-4 x-2")


def test_a_group_is_lent_to_one_artist_and_its_clips_to_the_most_played_tracks() -> None:
    lent = lend(PLAYS, ["big", "big", "small", "big"], seed=1)
    assert {track for track, artist in lent.artist_of.items() if artist == "x"} == {"x-1", "x-2", "x-4"}
    assert {lent.clip_of[track] for track in ("x-1", "x-2", "x-4")} == {0, 1, 3}
    assert [track for track in lent.clip_of if track.startswith("y")] == ["y-3"]
    assert lent.clip_of["y-3"] == 2
    assert {event.track_id for event in lent.events} == set(lent.clip_of)


def test_a_group_for_which_no_artist_has_enough_tracks_is_refused() -> None:
    with pytest.raises(BadInput, match="no artist of the log is left with 5 tracks, as many as 'huge' has clips"):
        lend(PLAYS, ["huge"] * 5, seed=1)


def test_the_two_folds_hold_out_each_track_once_and_half_of_each_artist() -> None:
    lent = lend(PLAYS, ["big"] * 4 + ["small"] * 2, seed=1)
    first, second = lent.held_out(0, seed=3), lent.held_out(1, seed=3)
    assert first | second == set(lent.clip_of)
    assert not first & second
    assert sorted(track.split("-")[0] for track in first) == ["x", "x", "y"]


def test_a_play_of_what_is_held_out_is_asked_for_and_never_happened() -> None:
    found = list(moments(log("a b a c b"), frozenset("b")))
    assert [moment.track for moment in found] == list("abacb")
    assert [moment.after is None for moment in found] == [False, True, False, False, True]
    asked = [moment.before for moment in found if moment.after is None]
    assert [[entry.track_id for entry in before.entries] for before in asked if before] == [["a"], ["a", "c"]]


def test_ties_count_against_the_target_and_no_rank_is_no_hit() -> None:
    scores = np.array([3, 2, 2, 1], np.float32)
    assert rank_among(scores, 1, np.arange(4)) == 3
    assert rank_among(scores, 1, np.array([1, 3])) == 1
    assert recall_at([1, 20, 21, 0], 20) == 0.5
    assert recall_at([], 20) == 0.0
