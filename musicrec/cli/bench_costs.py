"""`musicrec bench costs`."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def command(
    rate: Annotated[float, typer.Option(min=1, help="Events per second.")] = 300.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 40.0,
) -> None:
    """Measure what one event costs, in the form that `musicrec plan --costs` reads.

    JSON keys: as `musicrec.sizing.costs.Costs` has them.
    """
    import uvloop

    from streams.cost_bench import measure_costs

    with (
        tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        costs = runner.run(
            measure_costs(
                Path(folder),
                rate_per_s=rate,
                seconds=seconds,
                progress=lambda text: print(text, file=sys.stderr, flush=True),
            )
        )
    typer.echo(costs.model_dump_json(indent=2))
