"""Company to come of tracks that nobody has played."""

import numpy as np
import pytest

from musicrec.contracts import EventType, ListenEvent
from musicrec.evaluation.co_listening import CompanyTrial
from musicrec.evaluation.lent_sounds import lend

pytestmark = pytest.mark.torch


def log(sessions: str) -> list[ListenEvent]:
    """Return plays of "artist-number" tracks, three minutes apart, a listener per group of plays."""
    plays = [(f"user{who}", track) for who, session in enumerate(sessions.split("|")) for track in session.split()]
    return [
        ListenEvent(
            event_id=f"e{number:03d}",
            user_id=user,
            type=EventType.PLAY,
            occurred_at_ms=1_700_000_000_000 + 180_000 * number,
            track_id=track,
            artist_id=track.split("-")[0],
            ms_played=170_000,
        )
        for number, (user, track) in enumerate(plays)
    ]


ONE_HALF = "x-1 x-2 x-3|x-1 x-2 x-4|x-2 x-1|y-1 y-2|y-1 y-2 y-3|y-2 y-1 y-4"
TRIAL = CompanyTrial.of(lend(log(f"{ONE_HALF}|{ONE_HALF}"), ["a"] * 4 + ["b"] * 4, seed=1), 0, seed=1)


def test_held_out_tracks_teach_nobody_and_half_of_each_artist_is_held_out() -> None:
    played = [TRIAL.tracks[place] for place in TRIAL.played]
    assert sorted([*TRIAL.played, *TRIAL.held_out]) == list(range(8))
    assert TRIAL.taught.shape == (len(played), len(played))
    assert sorted(TRIAL.tracks[place][0] for place in TRIAL.held_out) == ["x", "x", "y", "y"]


def test_recall_is_that_of_the_company_among_played_tracks() -> None:
    artist = np.array([track[0] == "x" for track in TRIAL.tracks])
    of_artist = np.stack([artist, ~artist], 1).astype(np.float64)
    swapped = of_artist.copy()
    swapped[TRIAL.held_out] = swapped[TRIAL.held_out][:, ::-1]
    assert TRIAL.recalls(of_artist, k=1)
    assert all(recall == 1.0 for recall in TRIAL.recalls(of_artist, k=1))
    assert not any(TRIAL.recalls(swapped, k=1))
    assert all(recall == 1.0 for recall in TRIAL.recalls(swapped))  # fewer than twenty played tracks: all are listed
