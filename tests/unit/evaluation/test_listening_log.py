"""Logs as files: parquet and JSON lines."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput
from musicrec.evaluation.listening_log import read_log

START_MS = 1_700_000_000_000


def write(path: Path, **changed: list[int | None]) -> Path:
    columns = {
        "user": [1, 2, 1],
        "ended_at_ms": [START_MS + 2_000, START_MS + 1_000, START_MS + 1_000],
        "ms_played": [500, 600, 700],
        "track": [10, 20, 30],
        "artist": [5, 6, 7],
    }
    parquet.write_table(pa.table(columns | changed), path)
    return path


def test_a_file_out_of_order_is_read_in_order_of_time_then_of_the_file(tmp_path: Path) -> None:
    events = list(read_log(write(tmp_path / "log.parquet")))
    assert [event.track_id for event in events] == ["20", "30", "10"]
    assert events[0] == ListenEvent(
        event_id="row-000000000001",
        user_id="2",
        type=EventType.PLAY,
        occurred_at_ms=START_MS + 1_000,
        track_id="20",
        artist_id="6",
        ms_played=600,
    )


def test_a_limit_takes_the_first_events_in_time(tmp_path: Path) -> None:
    assert [event.track_id for event in read_log(write(tmp_path / "log.parquet"), limit=2)] == ["20", "30"]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    parquet.write_table(pa.table({"user": [1], "track": [2]}), path)
    with pytest.raises(BadInput, match="'ended_at_ms' is missing"):
        list(read_log(path))


def test_seconds_instead_of_milliseconds_are_refused_with_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "log.parquet", ended_at_ms=[START_MS, START_MS // 1_000, START_MS])
    with pytest.raises(BadInput, match="row 1: ended_at_ms = 1700000000"):
        list(read_log(path))


def test_empty_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'track' has 1 empty"):
        list(read_log(write(tmp_path / "log.parquet", track=[1, None, 3])))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_text("user,track")
    with pytest.raises(BadInput, match="not a parquet file"):
        list(read_log(path))


@pytest.mark.parametrize("name", ["missing.parquet", "log.csv"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(BadInput, match=r"no such file|a listening log is"):
        list(read_log(tmp_path / name))


def test_listen_events_as_json_lines_are_read_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    events = list(read_log(write(tmp_path / "log.parquet")))
    path.write_bytes(b"\n".join(event.encode() for event in reversed(events)) + b"\n\n")
    assert [event.occurred_at_ms for event in read_log(path)] == [START_MS + 1_000, START_MS + 1_000, START_MS + 2_000]


def test_a_bad_json_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"event_id": "e1"}\n')
    with pytest.raises(BadInput, match="line 1"):
        list(read_log(path))
