"""`musicrec plan`: what a load needs, by measured costs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from musicrec.errors import BadInput
from musicrec.sizing.costs import Costs
from musicrec.sizing.plan import Load, Plan, plan_for
from musicrec.sizing.sizing_document import measured_costs, sizing_document
from musicrec.topics import USER_PARTITIONS


def command(
    events_per_s: Annotated[float, typer.Option(min=1, help="Plays, skips and feedback, at the busiest time.")] = 1_000,
    listeners: Annotated[int, typer.Option(min=1, help="Listeners of a day.")] = 1_000_000,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Copies of each partition.")] = 3,
    partitions: Annotated[
        int, typer.Option(min=1, help="Of the topics keyed by listener: most workers of a kind.")
    ] = USER_PARTITIONS,
    utilisation: Annotated[float, typer.Option(min=0.1, max=0.9, help="Share of a core that is planned for.")] = 0.6,
    learn_from_one_in: Annotated[
        int | None,
        typer.Option(
            min=1, help="MUSICREC_RANKING__LEARN_FROM_ONE_IN; if not given 1 where that fits, else what is needed."
        ),
    ] = None,
    in_one: Annotated[
        bool, typer.Option("--in-one", help="Session-ranking workers instead of session and ranking workers.")
    ] = False,
    costs: Annotated[Path | None, typer.Option(help="What `musicrec bench costs` printed on your machine.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/sizing.md instead.")] = False,
) -> None:
    """Say how many processes and servers a load needs, and where the first limit is.

    JSON keys: learn_from_one_in; parts (what, number, cores, memory_gib, note); limits (events_per_s, stage, way_out).
    """
    measured = measured_costs() if costs is None else _read(costs)
    if markdown:
        typer.echo(sizing_document(measured), nl=False)
        return
    if learn_from_one_in is not None and learn_from_one_in > partitions:
        raise BadInput(
            f"--learn-from-one-in {learn_from_one_in}: a share is made of whole partitions, of which there are "
            f"{partitions}; at most {partitions}, or more --partitions"
        )
    plan = plan_for(
        Load(
            events_per_s,
            listeners,
            replicas=replicas,
            utilisation=utilisation,
            partitions=partitions,
            in_one=in_one,
            learn_from_one_in=learn_from_one_in,
        ),
        measured,
    )
    if as_json:
        parts = [part._asdict() for part in plan.parts]
        limits = [limit._asdict() for limit in plan.limits]
        typer.echo(
            json.dumps({"learn_from_one_in": plan.learn_from_one_in, "parts": parts, "limits": limits}, indent=2)
        )
    else:
        _print(plan)


def _read(path: Path) -> Costs:
    try:
        return Costs.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"--costs {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise BadInput(f"--costs {path}: {place}: {first['msg']}; `musicrec bench costs` prints such a file") from None


def _print(plan: Plan) -> None:
    table = Table("what", "count", "cores", "GiB", "", box=None, header_style="bold")
    for part in plan.parts:
        count = "not enough" if part.number is None else f"{part.number:,}"
        table.add_row(part.what, count, f"{part.cores:,.1f}", f"{part.memory_gib:,.1f}", part.note)
    console = Console(highlight=False)
    console.print(table)
    if plan.learn_from_one_in > 1:
        console.print(f"with MUSICREC_RANKING__LEARN_FROM_ONE_IN={plan.learn_from_one_in}")
    for limit in plan.limits:
        sign = "beyond" if limit in plan.passed else "up to"
        console.print(f"{sign} {limit.events_per_s:,.0f} events/s: {limit.stage}; then {limit.way_out}")
