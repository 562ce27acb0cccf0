"""Logs as they lie on disk."""

from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from musicrec.errors import BadInput
from musicrec.importers.event_file import record_writer, write_records
from musicrec.importers.log_file import count_log, read_log, time_span_ms

NOON_MS = 1_600_000_000_000


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """The same five listens as sorted Parquet, unsorted Parquet, and JSON lines."""
    columns = {
        "user": [1, 2, 1, 2, 1],
        "ended_at_ms": [NOON_MS + n for n in range(5)],
        "ms_played": [1_000] * 5,
        "track": list(range(5)),
        "artist": [0] * 5,
    }
    table = arrow.table(columns)
    paths = [tmp_path / name for name in ("sorted.parquet", "unsorted.parquet", "log.jsonl", "log.jsonl.gz")]
    parquet.write_table(table, paths[0])
    parquet.write_table(table.take([3, 0, 4, 1, 2]), paths[1])
    for path in paths[2:]:
        with record_writer(path) as stream:
            write_records(read_log(paths[0]), stream)
    return paths


def test_every_kind_of_file_gives_the_same_events(logs: list[Path]) -> None:
    expected = list(read_log(logs[0]))

    assert [event.track_id for event in expected] == ["0", "1", "2", "3", "4"]
    assert all(list(read_log(path)) == expected for path in logs)
    assert [count_log(path) for path in logs] == [5] * 4


def test_the_span_of_a_slice_is_that_of_its_first_and_last_event(logs: list[Path]) -> None:
    for path in logs:
        assert time_span_ms(path) == (NOON_MS, NOON_MS + 4)
        assert time_span_ms(path, skip=1, limit=2) == (NOON_MS + 1, NOON_MS + 2)
        assert time_span_ms(path, skip=4, limit=9) == (NOON_MS + 4, NOON_MS + 4)
        assert time_span_ms(path, skip=5) is None


def test_another_kind_of_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,track")

    with pytest.raises(BadInput, match=r"log\.csv: a listening log is"):
        read_log(tmp_path / "log.csv")
    with pytest.raises(BadInput, match="no such file"):
        count_log(tmp_path / "missing.jsonl")
