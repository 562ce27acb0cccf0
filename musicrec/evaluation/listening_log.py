"""Listening logs as files: parquet columns, or our own listen events as JSON lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput, Incompatible

COLUMNS: Final = {"user": "int32", "ended_at_ms": "int64", "ms_played": "int32", "track": "int32", "artist": "int32"}
"""What a parquet log needs; other integer widths are taken too."""

EARLIEST_MS: Final = 946_684_800_000
LATEST_MS: Final = 4_102_444_800_000
LONGEST_PLAY_MS: Final = 86_400_000


def read_log(path: Path, limit: int | None = None) -> Iterator[ListenEvent]:
    """Yield the events of a file in event-time order; events of one time stay in the order of the file.

    A parquet file is held in memory as five columns, 24 bytes per play; JSON lines as events.

    Args:
        path: `.parquet` or `.jsonl`.
        limit: only the first so many events in time.

    Raises:
        BadInput: the file is missing, of another format, or holds a row that is no listen.
        Incompatible: parquet cannot be read in this installation.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if path.suffix == ".parquet":
        return _parquet_events(path, limit)
    if path.suffix == ".jsonl":
        return _json_events(path, limit)
    raise BadInput(f"{path}: a listening log is .parquet (columns {', '.join(COLUMNS)}) or .jsonl (listen events)")


def has_feedback(path: Path) -> bool:
    """Return whether a file holds likes, saves, blocks and the like: only JSON lines can.

    Raises:
        BadInput: as `read_log`.
    """
    return path.suffix != ".parquet" and any(not event.type.is_listen for event in read_log(path))


def _parquet_events(path: Path, limit: int | None) -> Iterator[ListenEvent]:
    columns = _read_columns(path)
    order = np.argsort(columns["ended_at_ms"], kind="stable")[:limit]
    user, ended, played, track, artist = (columns[name] for name in COLUMNS)
    for row in order.tolist():
        yield ListenEvent(
            event_id=f"row-{row:012d}",  # of fixed width: events of one time are ordered by id
            user_id=str(user[row]),
            type=EventType.PLAY,
            occurred_at_ms=int(ended[row]),
            track_id=str(track[row]),
            artist_id=str(artist[row]),
            ms_played=int(played[row]),
        )


def _read_columns(path: Path) -> dict[str, NDArray[np.int64]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ModuleNotFoundError:
        raise Incompatible("parquet files need pyarrow: pip install 'musicrec[import]'") from None
    try:
        names = parquet.read_schema(path).names
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise BadInput(f"{path}: column {missing[0]!r} is missing; needed are {', '.join(COLUMNS)}")
        table = parquet.read_table(path, columns=list(COLUMNS))
    except ArrowInvalid as error:
        raise BadInput(f"{path}: not a parquet file: {error}") from None
    columns = {}
    for name in COLUMNS:
        column = table[name]
        if column.null_count:
            raise BadInput(f"{path}: column {name!r} has {column.null_count} empty values; every play needs one")
        values = column.to_numpy()
        if values.dtype.kind not in "iu":
            raise BadInput(f"{path}: column {name!r} is {values.dtype}; integers are needed")
        columns[name] = values
    _check_range(path, "ended_at_ms", columns["ended_at_ms"], EARLIEST_MS, LATEST_MS)
    _check_range(path, "ms_played", columns["ms_played"], 0, LONGEST_PLAY_MS)
    return columns


def _check_range(path: Path, name: str, values: NDArray[np.int64], low: int, high: int) -> None:
    bad = np.flatnonzero((values < low) | (values > high))
    if len(bad):
        row = int(bad[0])
        raise BadInput(f"{path}: row {row}: {name} = {values[row]}; allowed is {low} to {high} (milliseconds)")


def _json_events(path: Path, limit: int | None) -> Iterator[ListenEvent]:
    events = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    events.append(ListenEvent.decode(line))
                except BadInput as error:
                    raise BadInput(f"{path}: line {number}: {error}", error.reason) from None
    events.sort(key=lambda event: event.occurred_at_ms)
    yield from events[:limit]
