"""`musicrec import`, from files to files."""

import json
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from musicrec.cli import import_lastfm, import_listenbrainz, import_parquet, import_spotify
from musicrec.contracts import Track
from musicrec.errors import BadInput
from musicrec.importers.log_file import read_log

SPOTIFY = [
    {"endTime": "2021-01-31 12:40", "artistName": "Portishead", "trackName": "Strangers", "msPlayed": 200_000},
    {"endTime": "2021-01-31 12:34", "artistName": "Portishead", "trackName": "Roads", "msPlayed": 300_000},
    {"endTime": "2021-01-31 12:36", "podcastName": "P", "episodeName": "E", "msPlayed": 60_000},
]


def test_events_come_out_in_time_order_with_their_tracks_and_every_row_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out, tracks = tmp_path / "StreamingHistory0.json", tmp_path / "out.jsonl.gz", tmp_path / "tracks.jsonl"
    source.write_text(json.dumps(SPOTIFY))

    import_spotify.command([source], user="ann", out=out, tracks_out=tracks)

    titles = {track.track_id: track.title for track in map(Track.decode, tracks.read_bytes().splitlines())}
    assert [titles[event.track_id or ""] for event in read_log(out)] == ["Roads", "Strangers"]
    said = capsys.readouterr().err
    assert "3 rows read, 2 events written" in said
    assert "1 left out: podcast episode" in said
    assert "1 listeners, 2021-01-31 to 2021-01-31" in said


def test_without_a_file_events_go_to_standard_output(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    source = tmp_path / "listens.jsonl"
    source.write_text('{"listened_at": 1600000000, "track_metadata": {"track_name": "a"}}\n')

    import_listenbrainz.command([source], user="ann")

    (line,) = capsysbinary.readouterr().out.splitlines()
    assert json.loads(line)["occurred_at_ms"] == 1_600_000_240_000


def test_parquet_in_order_gives_the_events_that_it_gives_out_of_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {
        "user": [1, 2, 1, 1, None],
        "ended_at_ms": [1_600_000_000_000 + n for n in (0, 1, 1, 1, 2)],  # the fourth stands there twice
        "ms_played": [1_000] * 5,
        "track": [1, 2, 3, 3, 4],
        "artist": [None] * 5,
    }
    ordered, turned = (tmp_path / f"{name}.parquet" for name in ("ordered", "turned"))
    parquet.write_table(arrow.table(columns), ordered)
    parquet.write_table(arrow.table(columns).take([4, 1, 2, 3, 0]), turned)

    said = []
    for source in (ordered, turned):
        import_parquet.command([source], out=source.with_suffix(".jsonl"), max_bad_share=0.5)
        said.append(capsys.readouterr().err)

    events = ordered.with_suffix(".jsonl").read_bytes()
    assert events == turned.with_suffix(".jsonl").read_bytes()
    assert [json.loads(line)["track_id"] for line in events.splitlines()] == ["1", "2", "3"]
    assert "5 rows read, 3 events written" in said[0]
    assert said[0].replace("ordered", "turned").replace("row 5", "row 1") == said[1]


def test_a_file_of_the_wrong_format_leaves_nothing_behind(tmp_path: Path) -> None:
    source, out = tmp_path / "log.tsv", tmp_path / "out.jsonl"
    source.write_text("user,track\n1,2\n")

    with pytest.raises(BadInput, match=r"2 of 2 rows cannot be read.*log\.tsv:1: 1 tab-separated fields"):
        import_lastfm.command([source], out=out, tracks_out=tmp_path / "tracks.jsonl")
    assert list(tmp_path.iterdir()) == [source]
