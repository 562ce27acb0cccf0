"""`musicrec doctor`: what is missing here, and how to mend it."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from musicrec.cli.connection import DataDir


def command(data_dir: DataDir = Path(".data")) -> None:
    """Check Python, packages, ports, folders, Java, Kafka and Valkey; exit status 1 where something is needed."""
    from musicrec.local.doctor import examine

    console = Console(highlight=False, soft_wrap=True)
    broken = 0
    for finding in examine(data_dir):
        mark = "[green]ok[/]  " if finding.ok else ("[red]MEND[/]" if finding.needed else "[yellow]none[/]")
        console.print(f"{mark}  {finding.what}: {escape(finding.detail)}")
        broken += finding.needed and not finding.ok
    if broken:
        console.print(f"{broken} to mend")
        raise typer.Exit(1)
