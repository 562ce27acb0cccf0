"""What all measurements stand on: a Kafka and a Valkey of their own, real workers, and what each says of itself."""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import reach_tests  # noqa: F401
import uvloop
from conftest import start_worker, until_ready
from prometheus_client.parser import text_string_to_metric_families

from musicrec.errors import MusicrecError
from musicrec.local import EmbeddedStack, StackAddresses
from musicrec.local.child_process import ChildProcess
from streams.topic_admin import create_missing_topics

READY_DEADLINE_S = 120.0

Counts = dict[tuple[str, ...], float]
"""Samples of a worker's /metrics by name and the values of its labels, the labels in alphabetical order."""


class Stage:
    """Servers and workers."""

    def __init__(self, servers: EmbeddedStack, folder: Path) -> None:
        self.servers = servers
        self.folder = folder
        self.workers: dict[str, ChildProcess] = {}
        """By agent and instance, as in `ranking-0`."""

    @property
    def stack(self) -> StackAddresses:
        """Where the servers listen."""
        return self.servers.addresses

    def start(self, agent: str, instance: str = "0", **environment: str) -> ChildProcess:
        """Start a worker, or start it again; `until_ready` waits for it."""
        worker = start_worker(self.stack, self.folder, agent, instance, **environment)
        self.workers[f"{agent}-{instance}"] = worker
        return worker

    async def start_all(self, *agents: str, **environment: str) -> None:
        """Start one worker of each agent and wait until all are ready."""
        say(f"starting {', '.join(agents)}")
        started = [self.start(agent, **environment) for agent in agents]
        await asyncio.gather(*(until_ready(worker, READY_DEADLINE_S) for worker in started))

    async def counts(self, name: str) -> Counts:
        """Return what the worker has counted."""
        worker = self.workers[name]
        worker.check_alive()
        address = re.search(r"health: (http://[^/]+)/", worker.log_file.read_text(errors="replace"))
        if address is None:
            return {}
        async with aiohttp.ClientSession() as session, session.get(f"{address[1]}/metrics") as response:
            families = text_string_to_metric_families(await response.text() + "\n")
        return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}

    async def stop(self) -> None:
        """Stop all workers."""
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))


@asynccontextmanager
async def set_up(folder: Path) -> AsyncIterator[Stage]:
    """Give servers with all topics, and stop all that was started at the end."""
    say("starting Kafka and Valkey")
    async with EmbeddedStack(folder / "servers") as servers:
        await create_missing_topics(servers.addresses.kafka)
        stage = Stage(servers, folder)
        try:
            yield stage
        finally:
            await stage.stop()


def say(text: str) -> None:
    """Tell what happens now; figures go to the standard output."""
    print(text, file=sys.stderr, flush=True)


def show(text: str = "") -> None:
    """Print a line of figures, also where the output is a file that somebody watches."""
    print(text, flush=True)


def arguments_of(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a measurement's command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--folder", type=Path, help="keep servers' data and workers' logs there")
    return parser


def run(measure: Callable[[Stage], Awaitable[None]], folder: Path | None) -> None:
    """Run a measurement on a stage of its own; status 1 where a worker or a server ended."""

    async def on_stage(place: Path) -> None:
        async with set_up(place) as stage:
            await measure(stage)

    with (
        tempfile.TemporaryDirectory(prefix="musicrec-measure-") as temporary,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            runner.run(on_stage(folder.resolve() if folder else Path(temporary)))
        except MusicrecError as error:
            sys.exit(f"the measurement ended: {error}")
