"""Files of listen events and of tracks: one JSON record a line, `.gz` compressed."""

import gzip
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from musicrec.contracts import ListenEvent, Record
from musicrec.errors import BadInput
from musicrec.importers.sources import damage_named, open_binary

OCCURRED_AT: Final = re.compile(rb'"occurred_at_ms"\s*:\s*(\d{1,15})')
"""Twenty times faster than decoding; what it finds is decoded all the same before it is published."""


def read_events(path: Path) -> Iterator[ListenEvent]:
    """Yield the events of a file, and see that they are in event-time order.

    Raises:
        BadInput: a line is no listen event, or lies before the line above it; names file and line.
    """
    last_ms = 0
    for number, line in _lines(path):
        try:
            event = ListenEvent.decode(line)
        except BadInput as error:
            raise BadInput(f"{path}:{number}: {error}", error.reason) from None
        if event.occurred_at_ms < last_ms:
            raise BadInput(
                f"{path}:{number}: {last_ms - event.occurred_at_ms} ms before the line above; events are replayed in "
                f"the order of their time: sort the file by occurred_at_ms"
            )
        last_ms = event.occurred_at_ms
        yield event


def read_event_times(path: Path) -> Iterator[int]:
    """Yield `occurred_at_ms` of each line, epoch milliseconds.

    Raises:
        BadInput: a line does not say it; names file and line.
    """
    for number, line in _lines(path):
        found = OCCURRED_AT.search(line)
        if found is None:
            raise BadInput(f"{path}:{number}: no occurred_at_ms")
        yield int(found[1])


def count_events(path: Path) -> int:
    """Return how many lines hold something."""
    return sum(1 for _ in _lines(path))


@contextmanager
def record_writer(path: Path | None) -> Iterator[IO[bytes]]:
    """Open a file that appears complete or not at all; standard output where there is no path."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with damage_named(str(path)):
            stream = _create(unfinished, compressed=path.suffix == ".gz")
        with stream:
            yield stream
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_records(records: Iterable[Record], stream: IO[bytes]) -> int:
    """Write one record a line and return how many."""
    count = 0
    for record in records:
        stream.write(record.encode() + b"\n")
        count += 1
    return count


def _create(path: Path, *, compressed: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "wb", 6)) if compressed else path.open("wb", 1 << 20)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with damage_named(str(path)), open_binary(path) as stream:
        # A line cannot be longer than a record may be; the rest of a longer one is refused as well.
        number = 0
        while line := stream.readline(2 * ListenEvent.MAX_BYTES):
            number += 1
            if line.strip():
                yield number, line.rstrip(b"\r\n")
