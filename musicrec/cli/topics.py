"""`musicrec topics`: the topics on a broker, and what they differ in from the table."""

import asyncio
import json
from typing import Annotated

import typer

from musicrec.errors import Incompatible
from musicrec.settings import load_settings
from musicrec.topic_plan import Change, Kind, TopicPlan, plan_topics
from musicrec.topics import TOPICS

Replicas = Annotated[
    int, typer.Option("--replication-factor", min=1, help="Copies of each partition that is created; 3 in production.")
]
Losses = Annotated[
    list[str] | None,
    typer.Option("--accept-loss", metavar="TOPIC", help="Change its cleanup policy although messages go; repeatable."),
]
UserPartitions = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Partitions of new topics keyed by listener: as many as there will ever be workers of a kind. "
        "[default: as those that are there, else 12]",
    ),
]
TrackPartitions = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="Partitions of new topics keyed by track. [default: likewise, else 6]"),
]
SIGNS = {Kind.CREATE: "+", Kind.ALTER: "~", Kind.REFUSED: "!"}


def create(
    replication_factor: Replicas = 1, user_partitions: UserPartitions = None, track_partitions: TrackPartitions = None
) -> None:
    """Create the topics that are missing; refuse where those of one key differ in their partitions."""
    from streams.topic_admin import create_missing_topics

    creating = create_missing_topics(
        load_settings().kafka,
        replication_factor=replication_factor,
        partitions=_chosen(user_partitions, track_partitions),
    )
    created = asyncio.run(creating)
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} topics created")


def plan(
    replication_factor: Replicas = 1,
    user_partitions: UserPartitions = None,
    track_partitions: TrackPartitions = None,
    accept_loss: Losses = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with status 1 where anything differs.")] = False,
) -> None:
    """Show how the topics of a broker differ from the table; change nothing.

    Asks for settings of topics: the right DescribeConfigs, beside those of `musicrec topics`.
    """
    found = asyncio.run(_plan(replication_factor, accept_loss, _chosen(user_partitions, track_partitions)))
    typer.echo(json.dumps([change._asdict() for change in found.changes], indent=2) if as_json else _lines(found))
    if exit_code and found.changes:
        raise typer.Exit(1)


def apply(
    replication_factor: Replicas = 1,
    user_partitions: UserPartitions = None,
    track_partitions: TrackPartitions = None,
    accept_loss: Losses = None,
) -> None:
    """Create and alter topics until they are as the table has them; nothing, where that would lose data.

    Needs the rights DescribeConfigs and AlterConfigs, beside those of `musicrec topics`.
    """
    found = asyncio.run(_plan(replication_factor, accept_loss, _chosen(user_partitions, track_partitions)))
    if found.refused:
        raise Incompatible("nothing is changed: " + "; ".join(map(_line, found.refused)))
    typer.echo(_lines(found))
    if found.changes:
        from streams.topic_admin import apply_plan

        asyncio.run(apply_plan(load_settings().kafka, found, replication_factor=replication_factor))
        typer.echo("done")


def _chosen(user_partitions: int | None, track_partitions: int | None) -> dict[str, int]:
    chosen = {"user_id": user_partitions, "track_id": track_partitions}
    return {key: number for key, number in chosen.items() if number is not None}


async def _plan(replication_factor: int, accept_loss: list[str] | None, partitions: dict[str, int]) -> TopicPlan:
    from streams.topic_admin import found_topics

    names = {topic.name for topic in TOPICS}
    for name in accept_loss or ():
        if name not in names:
            raise typer.BadParameter(f"{name!r} is none of our topics: {', '.join(sorted(names))}")
    return plan_topics(
        TOPICS,
        await found_topics(load_settings().kafka),
        replication_factor=replication_factor,
        accepted_losses=accept_loss or (),
        partitions=partitions,
    )


def _lines(found: TopicPlan) -> str:
    left = [f"  {name}: not in the table, left alone" for name in found.unknown]
    to_do = len(found.changes) - len(found.refused)
    end = f"{to_do} to do, {len(found.refused)} refused, {len(found.fine)} topics as they should be"
    return "\n".join([*map(_line, found.changes), *left, end])


def _line(change: Change) -> str:
    found = "" if change.kind is Kind.CREATE else f"{change.what} {change.found or 'not set'} -> "
    verb = f"{change.kind.value} " if change.kind is Kind.CREATE else ""
    why = f": {change.why}" if change.why else ""
    return f"{SIGNS[change.kind]} {change.topic}: {verb}{found}{change.wanted}{why}"
