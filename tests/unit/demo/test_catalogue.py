"""The generated music, and its audio."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrec.contracts import Track
from musicrec.demo import generate_tracks, write_audio
from musicrec.errors import BadInput

NOW_MS = 1_790_000_000_000


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), later=st.integers(0, 24))
def test_120_tracks_of_24_artists_with_titles_of_their_own(seed: int, later: int) -> None:
    tracks = generate_tracks(seed, now_ms=NOW_MS, later=later)
    assert len({track.track_id for track in tracks}) == 120
    assert len({track.title for track in tracks}) == 120
    assert len({track.artist_id for track in tracks}) == 24
    assert sum((track.released_at_ms or 0) > NOW_MS for track in tracks) == later


def test_tracks_come_in_order_of_release_and_the_later_ones_one_by_one() -> None:
    tracks = generate_tracks(1, now_ms=NOW_MS, later=3, first_later_ms=20_000, later_every_ms=15_000)
    released_ms = [track.released_at_ms or 0 for track in tracks]
    assert released_ms == sorted(released_ms)
    assert [moment_ms - NOW_MS for moment_ms in released_ms[-3:]] == [20_000, 35_000, 50_000]


def test_the_audio_of_a_track_is_as_long_as_the_track_says_and_is_rendered_once(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    tracks = generate_tracks(1, now_ms=NOW_MS)[:2]
    written = list(write_audio(tmp_path / "audio", tracks))
    for track in written:
        path = Path((track.audio_uri or "").removeprefix("file://"))
        assert path.parent == tmp_path / "audio"
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (22_050, 1)
        assert info.frames / 22.05 == pytest.approx(track.duration_ms, abs=1)
    stamps = [path.stat().st_mtime_ns for path in sorted((tmp_path / "audio").iterdir())]
    assert list(write_audio(tmp_path / "audio", tracks)) == written
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "audio").iterdir())] == stamps


def test_a_track_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    track = generate_tracks(1, now_ms=NOW_MS)[0].model_copy(update={"track_id": "../../etc/x", "duration_ms": 200})
    (written,) = write_audio(tmp_path / "audio", [track])
    assert Path((written.audio_uri or "").removeprefix("file://")).parent == tmp_path / "audio"


def test_a_track_without_a_style_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    with pytest.raises(BadInput, match="nameless"):
        list(write_audio(tmp_path, [Track(track_id="nameless", duration_ms=1_000, artist_id="a")]))
