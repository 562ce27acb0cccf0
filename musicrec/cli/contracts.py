"""`musicrec contracts`: the published schemas."""

from pathlib import Path
from typing import Annotated

import typer

from musicrec.documents import check_files, write_files

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the documents, deploy/contracts in the checkout.")
]


def write(folder: Folder) -> None:
    """Write the AsyncAPI document, a JSON Schema per record, the tables of topics and access, as the code says."""
    changed = write_files(folder)
    for path in changed:
        typer.echo(f"wrote {path}")
    typer.echo(f"{len(changed)} documents changed")


def check(folder: Folder) -> None:
    """Fail with status 2 where a document differs from the code."""
    check_files(folder)
    typer.echo(f"{folder} is what the code says")
