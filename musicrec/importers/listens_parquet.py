"""Parquet with one listen a row: `user, ended_at_ms, ms_played, track, artist`.

Ids may be integers or strings.  There is no skip flag: every row is a play, and its outcome follows from `ms_played`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import BadInput, Incompatible
from musicrec.importers.rows import Listen, Row, Unreadable, checked

COLUMNS: Final = ("user", "ended_at_ms", "ms_played", "track", "artist")
BATCH_ROWS: Final = 65_536


def read_listens_parquet(paths: Sequence[Path]) -> Iterator[Row]:
    """Yield the rows of Parquet files, in file order, a batch of rows in memory at a time.

    Raises:
        BadInput: a file is missing, is no Parquet, or lacks a column.
        Incompatible: pyarrow is not installed.
    """
    for path in paths:
        file, number = _open(path), 0
        for batch in file.iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            for values in zip(*columns, strict=True):
                number += 1
                yield _row(path, number, *values)


def is_chronological(paths: Sequence[Path]) -> bool:
    """Return whether `ended_at_ms` never decreases; only that column is read, up to the first that does."""
    newest_ms = None
    for times_ms in _end_times(paths):
        if len(times_ms) == 0:
            continue
        if (newest_ms is not None and times_ms[0] < newest_ms) or (times_ms[1:] < times_ms[:-1]).any():
            return False
        newest_ms = times_ms[-1]
    return True


def read_end_times(paths: Sequence[Path]) -> Iterator[int]:
    """Yield `ended_at_ms` of each row, epoch milliseconds, without the nulls; only that column is read."""
    for times_ms in _end_times(paths):
        yield from times_ms.tolist()


def _end_times(paths: Sequence[Path]) -> Iterator[NDArray[np.integer[Any]]]:
    for path in paths:
        for batch in _open(path).iter_batches(BATCH_ROWS, columns=["ended_at_ms"]):
            yield batch.column("ended_at_ms").drop_null().to_numpy()


def count_rows(paths: Sequence[Path]) -> int:
    """Return how many rows the files hold."""
    return sum(int(_open(path).metadata.num_rows) for path in paths)


def _row(path: Path, number: int, user: Any, ended_at_ms: Any, ms_played: Any, track: Any, artist: Any) -> Row:
    if user is None or ended_at_ms is None or ms_played is None or track is None:
        return Unreadable(f"{path}: row {number}", "a null in user, ended_at_ms, ms_played or track")
    listen = Listen(str(user), ended_at_ms, ms_played, str(track), None if artist is None else str(artist))
    result = checked("", listen)
    # The place is spelt out for bad rows only: it costs more than all other work on a good one.
    return result if isinstance(result, Listen) else result._replace(place=f"{path}: row {number}")


def _open(path: Path) -> Any:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise Incompatible("Parquet needs pyarrow: pip install 'musicrec[import]'") from None
    try:
        file = parquet.ParquetFile(path)
    except (OSError, arrow.ArrowInvalid) as error:
        raise BadInput(f"{path}: cannot be read as Parquet: {error}") from error
    types = {field.name: field.type for field in file.schema_arrow}
    missing = [name for name in COLUMNS if name not in types]
    if missing:
        raise BadInput(f"{path}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    for name in ("ended_at_ms", "ms_played"):
        if not arrow.types.is_integer(types[name]):
            raise BadInput(f"{path}: column {name} is {types[name]}; whole milliseconds are needed")
    return file
