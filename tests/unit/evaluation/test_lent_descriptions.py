"""Descriptions lent to tracks with their clips, and neighbours by them alone."""

from pathlib import Path

import pytest
from listening import Listening

from musicrec.contracts import Track
from musicrec.evaluation.audio import LabelledClips
from musicrec.evaluation.lent_descriptions import DescribedTracks, lent_tracks
from musicrec.evaluation.lent_sounds import LentSounds

CLIPS = LabelledClips(
    paths=(Path("0"), Path("1"), Path("2")),
    labels=("a game", "a game", "another"),
    left_out=0,
    titles=("Town", "", "Battle"),
    genres=("Classical", "", ""),
)
LENT = LentSounds([], clip_of={"y": 2, "x": 0, "z": 1}, artist_of={"x": "ax", "y": "ay", "z": "ax"})


def test_a_track_is_described_as_its_clip_is_with_the_group_as_the_album_or_without() -> None:
    assert lent_tracks(LENT, CLIPS, with_group=True) == [
        Track(track_id="x", artist_id="ax", title="Town", album="a game", tags=("Classical",)),
        Track(track_id="y", artist_id="ay", title="Battle", album="another"),
        Track(track_id="z", artist_id="ax", album="a game"),
    ]
    assert lent_tracks(LENT, CLIPS, with_group=False) == [
        Track(track_id="x", artist_id="ax", title="Town", tags=("Classical",)),
        Track(track_id="y", artist_id="ay", title="Battle"),
        Track(track_id="z", artist_id="ax"),
    ]


def test_cosines_are_those_of_all_tracks_with_the_session_and_none_where_nothing_is_said() -> None:
    tracks = [Track(track_id=f"{tag}{number}", tags=(tag,)) for tag in ("jazz", "rock") for number in range(3)]
    described = DescribedTracks([*tracks, Track(track_id="plain")])
    listening = Listening()
    assert described.cosines(listening.play("ann", "plain")) is None
    found = described.cosines(listening.play("ann", "rock1"))
    assert found is not None
    assert found.tolist() == pytest.approx([0, 0, 0, 1, 0, 1, 0])
    skipped = described.cosines(listening.play("ann", "jazz0", skip=True))
    assert skipped is not None
    assert skipped.tolist() == found.tolist()
