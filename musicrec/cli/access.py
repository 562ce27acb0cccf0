"""`musicrec access`: the Kafka rights of every service, compared with what a broker grants."""

import asyncio
import json
from typing import Annotated

import typer

from musicrec.access import SERVICES, KafkaRule
from musicrec.access_plan import AccessPlan, plan_access
from musicrec.settings import load_settings

Users = Annotated[
    list[str] | None, typer.Option("--user", metavar="USER", help="Only this one of ours; repeatable. [default: all]")
]
Principals = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        metavar="USER=PRINCIPAL",
        help="What the broker calls a user of ours, musicrec-session=User:CN=session, say; repeatable. "
        "[default: User:musicrec-session and so on]",
    ),
]


def plan(
    user: Users = None,
    principals: Principals = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with status 1 where anything differs.")] = False,
) -> None:
    """Show which rights a broker lacks and which it grants beyond deploy/contracts/access.md; change nothing.

    The user that asks needs the right Describe on the cluster.
    """
    found = asyncio.run(_plan(user, principals))
    typer.echo(json.dumps(_as_json(found), indent=2) if as_json else _lines(found, prune=False))
    if exit_code and not found.is_empty:
        raise typer.Exit(1)


def apply(
    user: Users = None,
    principals: Principals = None,
    prune: Annotated[bool, typer.Option(help="Take away what our users have beyond the table, too.")] = False,
) -> None:
    """Grant what a broker lacks.  The user that asks needs the right Alter on the cluster."""
    from streams.kafka_acls import change_entries

    found = asyncio.run(_plan(user, principals))
    typer.echo(_lines(found, prune=prune))
    removed = found.surplus if prune else ()
    if found.missing or removed:
        asyncio.run(change_entries(load_settings().kafka, found.missing, removed))
        typer.echo("done")


async def _plan(users: list[str] | None, principals: list[str] | None) -> AccessPlan:
    from streams.kafka_acls import found_entries

    wanted = _wanted(users, principals)  # first, as a misspelt user needs no broker
    return plan_access(wanted, await found_entries(load_settings().kafka))


def _wanted(users: list[str] | None, principals: list[str] | None) -> dict[str, tuple[KafkaRule, ...]]:
    rules = {service.user: service.kafka_rules for service in SERVICES}
    names = {name: f"User:{name}" for name in rules}
    for pair in principals or ():
        name, _, principal = pair.partition("=")
        if not principal.startswith("User:"):
            raise typer.BadParameter(f"{pair!r} is not USER=PRINCIPAL; an example: musicrec-session=User:CN=session")
        names[_known(name, rules)] = principal
    return {names[_known(name, rules)]: rules[name] for name in users or rules}


def _known(name: str, rules: dict[str, tuple[KafkaRule, ...]]) -> str:
    if name not in rules:
        raise typer.BadParameter(f"{name!r} is none of our users: {', '.join(rules)}")
    return name


def _as_json(found: AccessPlan) -> dict[str, list[dict[str, str]]]:
    parts = {"missing": found.missing, "surplus": found.surplus, "denied": found.denied}
    return {name: [entry._asdict() for entry in entries] for name, entries in parts.items()}


def _lines(found: AccessPlan, *, prune: bool) -> str:
    kept = "" if prune else " (more than it needs; apply --prune takes it away)"
    denied = " (whatever is allowed beside; kafka-acls.sh --remove takes it back)"
    lines = [f"+ {entry}" for entry in found.missing]
    lines += [f"{'-' if prune else ' '} {entry}{kept}" for entry in found.surplus]
    lines += [f"! {entry}{denied}" for entry in found.denied]
    return "\n".join(
        [*lines, f"{len(found.missing)} to grant, {len(found.surplus)} beyond, {len(found.denied)} denied"]
    )
