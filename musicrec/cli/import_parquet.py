"""`musicrec import parquet`."""

from pathlib import Path
from typing import Annotated

import typer

from musicrec.cli.import_run import DEFAULT_MAX_BAD_SHARE, MaxBadShare, Out, import_rows
from musicrec.importers.listens_parquet import read_listens_parquet


def command(
    files: Annotated[list[Path], typer.Argument(help="Parquet files.")],
    out: Out = None,
    max_bad_share: MaxBadShare = DEFAULT_MAX_BAD_SHARE,
) -> None:
    """Turn Parquet with the columns user, ended_at_ms, ms_played, track and artist into listen events in time order.

    `musicrec replay` and `musicrec evaluate stream` also read such a file directly.
    """
    import_rows(read_listens_parquet(files), out=out, max_bad_share=max_bad_share)
