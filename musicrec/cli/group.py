"""`musicrec group`: who works for an agent, and who will not come back."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from musicrec.access import AGENTS, RE_EMBEDDER
from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.errors import BadInput
from musicrec.settings import KafkaSettings, load_settings

if TYPE_CHECKING:
    from streams.group_members import Member

Agent = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="session, ranking, outcome or embedder; of a re-embedder the whole name of its group."
    ),
]


def members(
    agent: Agent,
    as_json: Annotated[bool, typer.Option("--json", help="One member a line, as JSON.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """List the members of an agent's group by name, each with its host and its partitions.

    The broker lists one that has ended until its session times out, where it has a name.  Needs the right Read on the
    group, which the agent's own user has.
    """
    from streams.group_members import group_members

    group = _group(agent)
    found = asyncio.run(group_members(_settings(kafka), group))
    for member in found:
        typer.echo(json.dumps(asdict(member)) if as_json else _line(member))
    if not found and not as_json:
        typer.echo(f"{group} has no members")


def remove(
    agent: Agent,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="MUSICREC_AGENT__INSTANCE_ID of each: its pod's name.")
    ],
    kafka: KafkaServers = None,
) -> None:
    """Take workers that have ended for good out of their group, so that the others have their partitions at once.

    Without it they have them after the session timeout, in which a worker with a name could come back.  Stop the worker
    first: one that still runs joins again within seconds, and its partitions move twice.  Status 1 where a name is not
    in the group; the others are taken out all the same.  Needs the right Read on the group, which the agent's own user
    has.
    """
    from streams.group_members import group_members, remove_members

    group, settings = _group(agent), _settings(kafka)
    wanted = list(dict.fromkeys(names))
    absent = asyncio.run(remove_members(settings, group, wanted))
    for name in wanted:
        if name not in absent:
            typer.echo(f"{name} is out of {group}")
    if absent:
        there = sorted(member.name for member in asyncio.run(group_members(settings, group)) if member.name)
        for name in absent:
            typer.echo(f"{name!r} is not in {group}; by name there are: {', '.join(there) or 'none'}", err=True)
        raise typer.Exit(1)


def _group(agent: str) -> str:
    """Return the group of an agent, or the group that is named as a whole."""
    for service in AGENTS.values():
        group = str(service.group)
        if service.group_per_model and agent.startswith(group) and agent != group:
            return agent
        if not service.group_per_model and agent in (service.name, group):
            return group
    known = ", ".join(name for name, service in AGENTS.items() if not service.group_per_model)
    raise BadInput(f"{agent!r} is no agent: {known}, or {RE_EMBEDDER.group}VERSION")


def _line(member: "Member") -> str:
    places = "; ".join(f"{topic} {_numbers(list(numbers))}" for topic, numbers in member.partitions.items())
    return f"{member.name or '(no name)'}  {member.host}  {places or 'no partitions'}"


def _numbers(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def _settings(kafka: str | None) -> KafkaSettings:
    return kafka_settings(kafka) or load_settings().kafka
