"""`musicrec topics`: the topics on a broker."""

import asyncio
from typing import Annotated

import typer

from musicrec.settings import load_settings


def command(
    replication_factor: Annotated[int, typer.Option(min=1, help="Copies of each partition; 3 in production.")] = 1,
) -> None:
    """Create the topics that are missing; refuse where one has the wrong number of partitions."""
    from streams.topic_admin import create_missing_topics

    created = asyncio.run(create_missing_topics(load_settings().kafka, replication_factor=replication_factor))
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} topics created")
