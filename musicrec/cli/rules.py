"""`musicrec rules`: what no list may hold, where and when; every ranking worker obeys within a second."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cloud_events import rfc_3339
from musicrec.contracts import CatalogueRule
from musicrec.errors import BadInput
from musicrec.printable import printable
from musicrec.settings import KafkaSettings, load_settings

MOST_NAMED: Final = 3
"""Ids of a kind that a line shows; `--json` shows all."""


def put(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Rules, a JSON object per line, as `rules list --json` has.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of one rule; the same name again replaces it.")] = None,
    deny: Annotated[bool, typer.Option("--deny", help="What it matches is not listed.")] = False,
    allow: Annotated[bool, typer.Option("--allow", help="In its markets nothing else is listed.")] = False,
    tracks: Annotated[list[str] | None, typer.Option("--track", metavar="ID", help="A track that it matches.")] = None,
    artists: Annotated[
        list[str] | None, typer.Option("--artist", metavar="ID", help="An artist whose tracks it matches.")
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="ID", help="A label whose tracks it matches.")
    ] = None,
    markets: Annotated[
        list[str] | None, typer.Option("--market", metavar="XX", help="Where it applies; without one everywhere.")
    ] = None,
    from_time: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First moment, like 2026-01-31 or 2026-01-31T12:00Z.")
    ] = None,
    until_time: Annotated[str | None, typer.Option("--until", metavar="TIME", help="First moment after it.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for people.")] = "",
    kafka: KafkaServers = None,
) -> None:
    """Publish a rule, or those of a file: what lists must not hold, or hold alone.

    Deny wins over allow. Where a listener's market is not known, a list holds what may be listed in every market.
    """
    from musicrec.moments import moment_ms
    from musicrec.published_rules import new_rule, put_rules, rules_in_file

    now_ms = time.time_ns() // 1_000_000
    if (file is None) == (name is None):
        raise BadInput("rules put: either a FILE or --name NAME is needed")
    if file is not None:
        if deny or allow or tracks or artists or labels or markets or from_time or until_time or reason:
            raise BadInput(f"rules put {file}: what its rules say stands in the file; no other option goes with it")
        rules = rules_in_file(file, now_ms)
    else:
        if deny == allow:
            raise BadInput(f"rules put --name {name}: either --deny or --allow is needed")
        fields = {
            "name": name,
            "effect": "deny" if deny else "allow",
            "tracks": tracks or [],
            "artists": artists or [],
            "labels": labels or [],
            "markets": markets or [],
            "from_ms": moment_ms(from_time) if from_time else None,
            "until_ms": moment_ms(until_time) if until_time else None,
            "reason": reason,
        }
        try:
            rules = [new_rule(fields, now_ms)]
        except BadInput as error:
            raise BadInput(f"rules put --name {name}: {error}") from None
    asyncio.run(put_rules(_settings(kafka), rules))
    for rule in rules:
        typer.echo(f"put {_described(rule)}")


def list_rules(
    as_json: Annotated[bool, typer.Option("--json", help="One rule a line, as it stands on the topic.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """List the rules that stand, in force or not."""
    from musicrec.published_rules import published_rules

    found = asyncio.run(published_rules(_settings(kafka)))
    for rule in found.values():
        if as_json:
            print(json.dumps(rule.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
        else:
            typer.echo(f"{_described(rule)}, published {rfc_3339(rule.published_at_ms)}")
    if not found and not as_json:
        typer.echo("no rule stands")


def withdraw(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `musicrec rules list` shows it.")],
    kafka: KafkaServers = None,
) -> None:
    """Withdraw a rule: what it kept out may be listed again."""
    from musicrec.published_rules import published_rules, withdraw_rule

    settings = _settings(kafka)
    found = asyncio.run(published_rules(settings))
    if name not in found:
        raise BadInput(f"{name}: no such rule; there are: {', '.join(found) or 'none'}")
    asyncio.run(withdraw_rule(settings, name))
    typer.echo(f"withdrew {_described(found[name])}")


def _described(rule: CatalogueRule) -> str:
    return printable(f"{rule.name}: {rule.effect.value} {', '.join(_parts(rule))}")


def _parts(rule: CatalogueRule) -> Iterator[str]:
    named = [("track", rule.tracks), ("artist", rule.artists), ("label", rule.labels)]
    yield " and ".join(_named(noun, ids) for noun, ids in named if ids) or "everything"
    yield f"in {' '.join(rule.markets)}" if rule.markets else "everywhere"
    if rule.from_ms is not None:
        yield f"from {rfc_3339(rule.from_ms)}"
    if rule.until_ms is not None:
        yield f"until {rfc_3339(rule.until_ms)}"
    if rule.reason:
        yield f"because: {rule.reason}"


def _named(noun: str, ids: tuple[str, ...]) -> str:
    shown = ", ".join(repr(each) for each in ids[:MOST_NAMED])
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return f"{noun}{'' if len(ids) == 1 else 's'} {shown}{more}"


def _settings(servers: str | None) -> KafkaSettings:
    return kafka_settings(servers) or load_settings().kafka
