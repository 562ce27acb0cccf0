"""What the import commands share: their options, the way from rows to a file, and the summary."""

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.contracts import ListenEvent
from musicrec.importers import ImportReport, Row, in_time_order, readable
from musicrec.importers.event_file import record_writer
from musicrec.importers.track_lines import writing_tracks

Files = Annotated[list[Path], typer.Argument(help="Files, folders, or archives (zip, tar, gz) as they came.")]
User = Annotated[str | None, typer.Option(help="The listener's id, where the source does not say it.")]
Out = Annotated[
    Path | None, typer.Option(help="Write listen events here, one JSON record a line (.gz compresses); else to stdout.")
]
TracksOut = Annotated[Path | None, typer.Option(help="Write catalogue tracks here, where names are known.")]
MaxBadShare = Annotated[float, typer.Option(min=0, max=1, help="Give up if more of the rows cannot be read.")]

DEFAULT_MAX_BAD_SHARE = 0.01


def import_rows(
    rows: Iterable[Row], *, out: Path | None, tracks_out: Path | None = None, max_bad_share: float
) -> ImportReport:
    """Write the events of `rows` in event-time order, and say on stderr what became of every row."""
    report = ImportReport()
    listens = readable(rows, report, max_bad_share=max_bad_share)
    with nullcontext() if tracks_out is None else record_writer(tracks_out) as tracks:
        if tracks is not None:
            listens = writing_tracks(listens, tracks)
        span = _write(in_time_order(listens, report=report), out)
    _say(report, span, out)
    return report


def import_events(events: Iterable[ListenEvent], report: ImportReport, *, out: Path | None) -> None:
    """Write `events` as they come, and say on stderr what `report` then tells of the rows that they were made of."""
    _say(report, _write(events, out), out)


def _write(events: Iterable[ListenEvent], out: Path | None) -> "_Span":
    span = _Span()
    with record_writer(out) as file:
        for event in events:
            span.add(event)
            file.write(event.encode() + b"\n")
    return span


class _Span:
    """First and last time, and who listened."""

    def __init__(self) -> None:
        self.first_ms: int | None = None
        self.last_ms = 0
        self.listeners: set[str] = set()

    def add(self, event: ListenEvent) -> None:
        if self.first_ms is None:
            self.first_ms = event.occurred_at_ms
        self.last_ms = event.occurred_at_ms
        self.listeners.add(event.user_id)


def _say(report: ImportReport, span: _Span, out: Path | None) -> None:
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{report.rows:,} rows read, {report.events:,} events written to {out or 'standard output'}")
    if span.first_ms is not None:
        console.print(f"{len(span.listeners):,} listeners, {_day(span.first_ms)} to {_day(span.last_ms)}")
    if report.repeated:
        console.print(f"{report.repeated:,} stood there twice")
    for reason, count in report.left_out.most_common():
        console.print(f"{count:,} left out: {reason}")
    if report.unreadable:
        console.print(f"{report.unreadable:,} cannot be read:")
        for row in report.named:
            console.print(f"  {row.place}: {row.reason}")
        if report.unreadable > len(report.named):
            console.print(f"  and {report.unreadable - len(report.named):,} more")


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).date().isoformat()
