"""Listens of many listeners in one order: by event time, and in their own order within a millisecond.

Runs that fit in memory are sorted and written to a temporary folder, then merged: memory is bounded whatever the
length.  Event ids are made in the merged order, because sessions order the events of one millisecond by their ids:

    NNNNNN_<24 hex digits>      NNNNNN counts the listener's events of that millisecond, from 000000

The digits are a function of listener, track, end and time played; of a scrobble, of listener, track and start, for its
end is an estimate, which differs with what else is known: sent live and imported later it is the same event.
"""

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

from musicrec.contracts import EventType, ListenEvent
from musicrec.ids import derived_id
from musicrec.importers.rows import ImportReport, Listen

RUN_LENGTH: Final = 250_000
"""Listens sorted in memory at once, about 150 MB."""
MERGED_AT_ONCE: Final = 200
"""Files open at a time; more runs are merged in rounds."""


def in_time_order(
    listens: Iterable[Listen],
    *,
    report: ImportReport | None = None,
    run_length: int = RUN_LENGTH,
    folder: Path | None = None,
) -> Iterator[ListenEvent]:
    """Yield one event per listen, by the end of the listen; listens of one millisecond keep their order.

    A listen that equals another of the same listener and millisecond in track and time played is the same listen.

    Args:
        listens: in any order.
        report: `repeated` counts the listens that stand there twice.
        run_length: how many listens are held in memory.
        folder: where runs are written; the system's temporary folder by default.
    """
    lines = (_line(number, listen) for number, listen in enumerate(listens))
    return events_of(map(_listen, _sorted(lines, run_length, folder)), report=report)


def events_of(listens: Iterable[Listen], *, report: ImportReport | None = None) -> Iterator[ListenEvent]:
    """Yield one event per listen of a sequence that is in time order already."""
    now_ms = -1
    seen: dict[str, list[tuple[str, int]]] = {}
    for listen in listens:
        if listen.ended_at_ms != now_ms:
            now_ms, seen = listen.ended_at_ms, {}
        earlier = seen.setdefault(listen.user_id, [])
        what = (listen.track_id, listen.ms_played)
        if what in earlier:
            if report is not None:
                report.repeated += 1
            continue
        yield _event(listen, len(earlier))
        earlier.append(what)


def _event(listen: Listen, number: int) -> ListenEvent:
    cause: tuple[str | int, ...] = (listen.user_id, listen.ended_at_ms, listen.track_id, listen.ms_played)
    if listen.known_by_start:
        cause = ("from", listen.user_id, listen.ended_at_ms - listen.ms_played, listen.track_id)
    return ListenEvent(
        event_id=derived_id(f"{number:06d}", *cause),
        user_id=listen.user_id,
        type=EventType.SKIP if listen.skipped else EventType.PLAY,
        occurred_at_ms=listen.ended_at_ms,
        track_id=listen.track_id,
        artist_id=listen.artist_id,
        ms_played=listen.ms_played,
        duration_ms=listen.duration_ms,
    )


def _line(number: int, listen: Listen) -> str:
    """Return a line whose order as text is the order of the listens."""
    return f"{listen.ended_at_ms:015d}{number:012d}{json.dumps(listen[:8], separators=(',', ':'))}\n"


def _listen(line: str) -> Listen:
    return Listen(*json.loads(line[27:]))


def _sorted(lines: Iterator[str], run_length: int, folder: Path | None) -> Iterator[str]:
    run = sorted(islice(lines, run_length))
    if len(run) < run_length:
        yield from run
        return
    with tempfile.TemporaryDirectory(prefix="musicrec-import-", dir=folder) as name:
        runs: list[Path] = []
        while run:
            runs.append(_write(Path(name) / f"run-{len(runs)}", run))
            run = sorted(islice(lines, run_length))
        merges = 0
        while len(runs) > MERGED_AT_ONCE:
            merged = _write(Path(name) / f"merge-{merges}", _merged(runs[:MERGED_AT_ONCE]))
            for path in runs[:MERGED_AT_ONCE]:
                path.unlink()
            runs, merges = [*runs[MERGED_AT_ONCE:], merged], merges + 1
        yield from _merged(runs)


def _merged(runs: list[Path]) -> Iterator[str]:
    with ExitStack() as stack:
        files: list[TextIO] = [stack.enter_context(path.open(encoding="ascii")) for path in runs]
        yield from heapq.merge(*files)


def _write(path: Path, lines: Iterable[str]) -> Path:
    with path.open("w", encoding="ascii") as file:
        file.writelines(lines)
    return path
