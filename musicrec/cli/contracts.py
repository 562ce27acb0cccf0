"""`musicrec contracts`: the published schemas."""

from pathlib import Path
from typing import Annotated

import typer

from musicrec.documents import check_files, write_files

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the documents, deploy/contracts in the checkout.")
]


def write(folder: Folder) -> None:
    """Write the AsyncAPI and OpenAPI documents, a JSON Schema per record, the tables of topics and access."""
    changed = write_files(folder, _openapi(folder))
    for path in changed:
        typer.echo(f"wrote {path}")
    typer.echo(f"{len(changed)} documents changed")


def check(folder: Folder) -> None:
    """Fail with status 2 where a document differs from the code."""
    check_files(folder, _openapi(folder))
    typer.echo(f"{folder} is what the code says")


def _openapi(folder: Path) -> dict[str, str]:
    """Return the gateway's document; without the gateway's libraries the one that is there passes for it."""
    try:
        from streams.gateway.openapi import openapi_files
    except ModuleNotFoundError as error:
        typer.echo(f"openapi.json is left as it is: {error.name} is missing, pip install 'musicrec[gateway]'", err=True)
        there = folder / "openapi.json"
        return {there.name: there.read_text(encoding="utf-8")} if there.exists() else {}
    return openapi_files()
