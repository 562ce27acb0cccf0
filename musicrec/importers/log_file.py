"""A listening log as it lies on disk, listen events as JSON lines or Parquet columns, in event-time order."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput
from musicrec.importers.event_file import count_events, read_event_times, read_events
from musicrec.importers.event_order import events_of, in_time_order
from musicrec.importers.listens_parquet import count_rows, is_chronological, read_end_times, read_listens_parquet
from musicrec.importers.rows import ImportReport, readable


def read_log(path: Path) -> Iterator[ListenEvent]:
    """Yield the events of a `.parquet`, `.jsonl` or `.jsonl.gz` file in event-time order.

    Parquet that is in order already is read as a stream; otherwise it is sorted first, in bounded memory.

    Raises:
        BadInput: neither kind, damaged, or with bad rows.
    """
    if not _is_parquet(path):
        return read_events(path)
    return parquet_events([path], ImportReport())


def parquet_events(
    paths: Sequence[Path], report: ImportReport, *, max_bad_share: float = 0.01
) -> Iterator[ListenEvent]:
    """Yield the events of Parquet files in event-time order, and count in `report` what became of each row.

    Files that are in order already, one after the other, are read as a stream; others are sorted first, in bounded
    memory, which is done before the first event.

    Raises:
        BadInput: a file is missing, is no Parquet, or too many of the rows cannot be read.
    """
    listens = readable(read_listens_parquet(paths), report, max_bad_share=max_bad_share)
    in_order = events_of if is_chronological(paths) else in_time_order
    return in_order(listens, report=report)


def count_log(path: Path) -> int:
    """Return how many rows or lines the file holds."""
    return count_rows([path]) if _is_parquet(path) else count_events(path)


def time_span_ms(path: Path, *, skip: int = 0, limit: int | None = None) -> tuple[int, int] | None:
    """Return event times of the first and the last of `limit` events after `skip`; None where there are none."""
    times = iter(sorted(read_end_times([path]))) if _is_parquet(path) else read_event_times(path)
    first = last = None
    for last in islice(times, skip, None if limit is None else skip + limit):
        first = last if first is None else first
    return None if first is None or last is None else (first, last)


def _is_parquet(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    if path.suffix != ".parquet" and not name.endswith((".jsonl", ".ndjson")):
        raise BadInput(f"{path}: a listening log is .jsonl (what `musicrec import` writes), .jsonl.gz or .parquet")
    return path.suffix == ".parquet"
