"""`musicrec import parquet`."""

from pathlib import Path
from typing import Annotated

import typer

from musicrec.cli.import_run import DEFAULT_MAX_BAD_SHARE, MaxBadShare, Out, import_events
from musicrec.importers import ImportReport
from musicrec.importers.log_file import parquet_events


def command(
    files: Annotated[list[Path], typer.Argument(help="Parquet files.")],
    out: Out = None,
    max_bad_share: MaxBadShare = DEFAULT_MAX_BAD_SHARE,
) -> None:
    """Turn Parquet with the columns user, ended_at_ms, ms_played, track and artist into listen events in time order.

    Files whose rows are in time order, one file after the other, are written as they are read; others are sorted first.
    `musicrec replay` and `musicrec evaluate stream` also read such a file directly.
    """
    report = ImportReport()
    import_events(parquet_events(files, report, max_bad_share=max_bad_share), report, out=out)
