"""`musicrec contracts`: the published schemas."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from musicrec.cli.connection import refused_option
from musicrec.documents import check_files, write_files
from musicrec.errors import Incompatible
from musicrec.registry.registering import apply_registration, registration_plan, wanted_schemas
from musicrec.registry.registration_plan import COMPATIBILITIES, DEFAULT_COMPATIBILITY, Change, Kind, RegistrationPlan
from musicrec.registry.registry_client import RegistryClient
from musicrec.registry.wire_format import SchemaId
from musicrec.settings import RegistrySettings, load_settings

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the documents, deploy/contracts in the checkout.")
]
SIGNS = {Kind.CREATE: "+", Kind.ADD: "+", Kind.LEVEL: "~", Kind.REFUSED: "!", Kind.FINE: " "}


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


def register(
    registry: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Its Confluent-compatible API. [default: MUSICREC_REGISTRY__URL]"),
    ] = None,
    compatibility: Annotated[
        str, typer.Option(metavar="LEVEL", help=f"Of every subject: {', '.join(COMPATIBILITIES)}.")
    ] = DEFAULT_COMPATIBILITY,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
) -> None:
    """Register the schema of every topic's values with a schema registry, as TOPIC-value.

    Nothing is changed where the registry forbids any of them.  MUSICREC_REGISTRY__* has user, token and certificates.
    """
    if compatibility not in COMPATIBILITIES:
        raise typer.BadParameter(f"{compatibility!r} is none of {', '.join(COMPATIBILITIES)}")
    asyncio.run(_register(_registry_settings(registry), compatibility, dry_run=dry_run))


async def _register(settings: RegistrySettings, compatibility: str, *, dry_run: bool) -> None:
    wanted = wanted_schemas()
    async with RegistryClient(settings) as registry:
        plan = await registration_plan(registry, wanted, compatibility)
        typer.echo("\n".join(_line(change, compatibility) for change in plan.changes))
        if plan.refused:
            names = ", ".join(found.subject for _, found in plan.refused)
            raise Incompatible(f"nothing is changed: {settings.url} forbids the schemas of {names}")
        ids = {} if dry_run else await apply_registration(registry, wanted, plan)
    typer.echo(_summary(plan, ids, dry_run=dry_run))


def _registry_settings(url: str | None) -> RegistrySettings:
    found = load_settings().registry
    if url is None:
        return found
    try:
        return RegistrySettings(**found.model_dump(exclude_unset=True) | {"url": url})
    except ValidationError as error:
        raise refused_option("--registry", error) from None


def _line(change: Change, compatibility: str) -> str:
    found = change.found
    level = f"{found.compatibility or 'the default compatibility'} -> {compatibility}"
    match change.kind:
        case Kind.CREATE:
            words = f"create, {compatibility}"
        case Kind.ADD:
            words = "a new version" if found.compatibility == compatibility else f"a new version, {level}"
        case Kind.LEVEL:
            words = level
        case Kind.REFUSED:
            words = f"{found.compatibility or 'the default compatibility'} forbids it: {found.forbidden}"
        case Kind.FINE:
            words = f"id {found.id.number}, {compatibility}" if found.id is not None else compatibility
    return f"{SIGNS[change.kind]} {found.subject}: {words}"


def _summary(plan: RegistrationPlan, ids: dict[str, SchemaId], *, dry_run: bool) -> str:
    registered = "".join(f"registered {subject}: id {found.number}\n" for subject, found in ids.items())
    done = "to do" if dry_run else "done"
    fine = len(plan.changes) - len(plan.to_do)
    return f"{registered}{len(plan.to_do)} {done}, {fine} subjects as they should be"


def _openapi(folder: Path) -> dict[str, str]:
    """Return the gateway's document; without the gateway's libraries the one that is there passes for it."""
    try:
        from streams.gateway.openapi import openapi_files
    except ModuleNotFoundError as error:
        typer.echo(f"openapi.json is left as it is: {error.name} is missing, pip install 'musicrec[gateway]'", err=True)
        there = folder / "openapi.json"
        return {there.name: there.read_text(encoding="utf-8")} if there.exists() else {}
    return openapi_files()
