"""Parquet logs."""

from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet

from musicrec.errors import BadInput
from musicrec.importers import Listen, Unreadable
from musicrec.importers.listens_parquet import count_rows, is_chronological, read_end_times, read_listens_parquet

NOON_MS = 1_600_000_000_000


def write(path: Path, **columns: list[Any]) -> Path:
    default: dict[str, list[Any]] = {
        "user": [7, 7],
        "ended_at_ms": [NOON_MS, NOON_MS + 1],
        "ms_played": [1_000, 2_000],
        "track": [1, 2],
        "artist": [3, None],
    }
    parquet.write_table(arrow.table(default | columns), path)
    return path


def test_ids_become_strings_and_every_row_is_a_play(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet")

    assert list(read_listens_parquet([path])) == [
        Listen("7", NOON_MS, 1_000, "1", "3"),
        Listen("7", NOON_MS + 1, 2_000, "2", None),
    ]
    assert count_rows([path, path]) == 4


def test_bad_rows_are_named_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", user=[None, 7], ms_played=[1_000, -1])

    assert list(read_listens_parquet([path])) == [
        Unreadable(f"{path}: row 1", "a null in user, ended_at_ms, ms_played or track"),
        Unreadable(f"{path}: row 2", "-1 ms played; 0 to 86400000 are possible"),
    ]


def test_order_is_seen_within_and_across_files(tmp_path: Path) -> None:
    early, late = write(tmp_path / "a.parquet"), write(tmp_path / "b.parquet", ended_at_ms=[NOON_MS + 1, NOON_MS + 9])
    mixed = write(tmp_path / "c.parquet", ended_at_ms=[NOON_MS + 1, NOON_MS])
    untimed = write(tmp_path / "d.parquet", ended_at_ms=arrow.array([None, None], arrow.int64()))

    assert is_chronological([early, late])
    assert not is_chronological([late, early])
    assert not is_chronological([mixed])
    assert is_chronological([early, untimed, late])
    assert not is_chronological([late, untimed, early])
    assert list(read_end_times([untimed, mixed])) == [NOON_MS + 1, NOON_MS]


def test_a_missing_column_a_float_time_and_a_text_file_are_refused(tmp_path: Path) -> None:
    parquet.write_table(arrow.table({"user": [1]}), tmp_path / "short.parquet")
    write(tmp_path / "float.parquet", ended_at_ms=[1.5, 2.5])
    (tmp_path / "text.parquet").write_text("user,track")

    for name, message in [
        ("short.parquet", "no column ended_at_ms, ms_played, track, artist"),
        ("float.parquet", "column ended_at_ms is double"),
        ("text.parquet", "cannot be read as Parquet"),
        ("missing.parquet", "cannot be read as Parquet"),
    ]:
        with pytest.raises(BadInput, match=message):
            list(read_listens_parquet([tmp_path / name]))


@pytest.mark.eval_data
def test_the_first_rows_of_a_real_log_are_listens(eval_data: Path) -> None:
    rows = read_listens_parquet([eval_data / "listens.parquet"])

    assert all(isinstance(next(rows), Listen) for _ in range(1_000))
