"""`musicrec worker`: one agent in one process."""

import asyncio
import logging
from typing import Annotated

import typer

from musicrec.cli.imports import imports
from musicrec.log_lines import log_to_stderr
from musicrec.settings import load_settings

LIBRARIES = ("aiokafka", "faust", "mode")


def _table(wanted: bool) -> None:
    if wanted:
        from streams.metrics import metrics_document

        print(metrics_document(), end="")
        raise typer.Exit


def command(
    agent: Annotated[str, typer.Argument(help="session, ranking, session-ranking, outcome, embedder or re-embedder")],
    metrics: Annotated[
        bool,
        typer.Option("--metrics", help="Print the table of deploy/metrics.md instead.", is_eager=True, callback=_table),
    ] = False,
    verbose: Annotated[bool, typer.Option(help="Log Faust's and aiokafka's doings too.")] = False,
) -> None:
    """Run one agent until SIGTERM or Ctrl-C.

    session-ranking does what session and ranking do, in one process, and answers an event sooner.

    Connections and settings come from MUSICREC_* variables.  Start as many processes as there is work, at most one per
    partition; give each its own MUSICREC_AGENT__INSTANCE_ID (the pod name) so that a restart moves no partition.
    """
    with imports():
        import uvloop

        from streams.file_limit import check_file_limit
        from streams.seldom import Seldom
        from streams.worker import Agent, run_worker

    try:
        which = Agent(agent)
    except ValueError:
        raise typer.BadParameter(f"{agent!r} is none of {', '.join(Agent)}") from None
    settings = load_settings()
    log_to_stderr(settings.log, which.value, settings.agent.instance_id)
    for name in LIBRARIES:
        # Records that nobody reads cost 7 % of a worker.
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.WARNING)
    if not verbose:
        for handler in logging.getLogger().handlers:
            handler.addFilter(Seldom(LIBRARIES))
    check_file_limit()
    print(f"{which}: starting", flush=True)
    # By policy, because Faust's consumer makes the loop of its own thread: on asyncio's own it takes a third of a core.
    uvloop.install()
    with asyncio.Runner() as runner:
        status = runner.run(run_worker(which, settings, on_ready=lambda: print(f"{which}: ready", flush=True)))
    raise typer.Exit(status)
