"""Files of events."""

import gzip
from pathlib import Path

import pytest

from musicrec.contracts import ListenEvent, Track
from musicrec.errors import BadInput
from musicrec.importers import Listen, in_time_order
from musicrec.importers.event_file import count_events, read_events, record_writer, write_records
from musicrec.importers.track_lines import writing_tracks

NOON_MS = 1_600_000_000_000


def events(count: int = 3) -> list[ListenEvent]:
    return list(in_time_order(Listen("ann", NOON_MS + number, 1_000, f"t{number}") for number in range(count)))


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_events_written_are_events_read(tmp_path: Path, name: str) -> None:
    with record_writer(tmp_path / name) as stream:
        assert write_records(events(), stream) == 3

    assert list(read_events(tmp_path / name)) == events()
    assert count_events(tmp_path / name) == 3


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    def failing() -> None:
        with record_writer(tmp_path / "events.jsonl") as stream:
            write_records(events(), stream)
            raise BadInput("half way")

    with pytest.raises(BadInput, match="half way"):
        failing()
    assert not list(tmp_path.iterdir())


def test_a_bad_line_and_a_step_back_in_time_are_named(tmp_path: Path) -> None:
    first, second, _ = (event.encode() + b"\n" for event in events())
    (tmp_path / "bad.jsonl").write_bytes(first + b"\n" + b'{"event_id": 1}\n')
    (tmp_path / "unsorted.jsonl").write_bytes(second + first)

    with pytest.raises(BadInput, match=r"bad\.jsonl:3: .*event_id"):
        list(read_events(tmp_path / "bad.jsonl"))
    with pytest.raises(BadInput, match=r"unsorted\.jsonl:2: 1 ms before the line above"):
        list(read_events(tmp_path / "unsorted.jsonl"))


def test_a_truncated_or_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(events(1)[0].encode())[:-9])

    for name in ("cut.jsonl.gz", "missing.jsonl"):
        with pytest.raises(BadInput, match=name):
            list(read_events(tmp_path / name))


def test_each_track_with_a_name_is_written_once(tmp_path: Path) -> None:
    named = Listen("ann", NOON_MS, 1_000, "a", "x", title="A" * 2_000, artist_name="X", album="B")
    rows = [named, named._replace(ended_at_ms=NOON_MS + 1), named._replace(track_id="b", title="", artist_name="")]

    with record_writer(tmp_path / "tracks.jsonl") as stream:
        assert list(writing_tracks(rows, stream)) == rows

    (line,) = (tmp_path / "tracks.jsonl").read_bytes().splitlines()
    track = Track.decode(line)
    assert (track.track_id, track.title, track.artist_id, track.album) == ("a", "A" * 1_024, "x", "B")
