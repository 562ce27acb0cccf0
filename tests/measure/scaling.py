"""Workers are added one after the other under load, and taken away again: who waits how long, meanwhile and after it.

Each step adds a session and a ranking worker, or ends the newest ones in order.  Members have no names of their own
(`MUSICREC_AGENT__INSTANCE_ID`): one that ends leaves its group at once.  A named one (`--named`) may come back, so that
the group waits for it, unless `musicrec group remove` says that it does not; without that (`--no-remove`) its session
timeout is the longest wait of a listener whose worker was taken away for good.
"""

import argparse
import asyncio
import sys
import time
from argparse import Namespace
from typing import NamedTuple

import reach_tests  # noqa: F401
from conftest import until_ready
from live_path import LivePath, percentiles
from stage import READY_DEADLINE_S, Stage, arguments_of, run, say, show

from musicrec.bench.listen_load import listen_load
from musicrec.local.child_process import ChildProcess
from streams.consumer_groups import consumer_group
from streams.group_members import remove_members

AGENTS = ("session", "ranking")
ANSWERS_DEADLINE_S = 120.0


class Step(NamedTuple):
    """A change, and what followed it until the next."""

    what: str
    began_s: float
    done_s: float
    """When the new workers were ready, or the old ones had ended."""
    ended_s: float


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Scale out to `workers` of each agent and in again, and print a line for each step."""
    running = [started(stage, chosen, 0)]
    await ready(running[0])
    steps: list[Step] = []
    async with LivePath.on(stage.stack.kafka) as path:
        await path.publish("warm-up", listen_load("warm-up"), rate_per_s=chosen.rate, count=round(chosen.rate * 10))
        over = asyncio.Event()
        load = asyncio.create_task(path.publish("load", listen_load("load"), rate_per_s=chosen.rate, until=over))
        await asyncio.sleep(chosen.pause_s)
        while len(running) < chosen.workers:
            running.append(started(stage, chosen, len(running)))
            steps.append(await step(f"to {len(running)} of each", ready(running[-1]), chosen.pause_s))
        while len(running) > 1:
            leaving = running.pop()
            change = ended(stage, leaving, removed=chosen.named and chosen.remove)
            steps.append(await step(f"back to {len(running)} of each", change, chosen.pause_s))
        over.set()
        await load
        await path.all_answered(ANSWERS_DEADLINE_S)
    for each in steps:
        during = [a for a in path.answers["load"] if each.began_s <= a.due_s <= each.done_s + chosen.pause_s / 2]
        after = [a for a in path.answers["load"] if each.done_s + chosen.pause_s / 2 < a.due_s <= each.ended_s]
        longest_s = max(answer.took_s for answer in during)
        waited = sum(answer.took_s > 1 for answer in during) / len(during)
        show(f"{each.what}: done in {each.done_s - each.began_s:.1f} s; longest event to list {longest_s:.2f} s, ")
        show(f"  {waited:.0%} of the events above 1 s; meanwhile {percentiles(during)}; then {percentiles(after)}")
    show(f"{len(path.answers['load'])} events at {chosen.rate:g}/s, all answered: {percentiles(path.answers['load'])}")


async def step(what: str, change: asyncio.Task[None], pause_s: float) -> Step:
    """Wait for a change to be done, and then for a while."""
    say(what)
    began_s = time.perf_counter()
    await change
    done_s = time.perf_counter()
    await asyncio.sleep(pause_s)
    return Step(what, began_s, done_s, time.perf_counter())


def started(stage: Stage, chosen: Namespace, number: int) -> list[ChildProcess]:
    """Start a worker of each agent."""
    return [start(stage, agent, f"{number}", named=chosen.named) for agent in AGENTS]


def start(stage: Stage, agent: str, instance: str, *, named: bool) -> ChildProcess:
    """Start a worker, with a name in its group or without."""
    name = f"{agent}-{instance}"
    variables = stage.stack.environment() | {"MUSICREC_DATA_DIR": str(stage.folder / name)}
    if named:
        variables["MUSICREC_AGENT__INSTANCE_ID"] = name
    program = [sys.executable, "-m", "musicrec.cli.main", "worker", agent]
    worker = ChildProcess.start(name, program, stage.folder / f"{name}.log", variables)
    stage.workers[name] = worker
    return worker


def ready(workers: list[ChildProcess]) -> "asyncio.Task[None]":
    """Wait until all are ready."""

    async def wait() -> None:
        await asyncio.gather(*(until_ready(worker, READY_DEADLINE_S) for worker in workers))

    return asyncio.create_task(wait())


def ended(stage: Stage, workers: list[ChildProcess], *, removed: bool) -> "asyncio.Task[None]":
    """Tell all to stop, wait until they have, and where they have names, say that they do not come back."""

    async def end(agent: str, worker: ChildProcess) -> None:
        await worker.stop(grace_s=60)
        if removed:
            for name in await remove_members(stage.stack.kafka, consumer_group(agent), [worker.name]):
                say(f"{name} had timed out already: it took its time to end")

    async def wait() -> None:
        await asyncio.gather(*map(end, AGENTS, workers))

    return asyncio.create_task(wait())


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="events per second")
    parser.add_argument("--workers", type=int, default=4, help="most of each agent")
    parser.add_argument("--pause-s", type=float, default=15.0, help="after each step")
    parser.add_argument("--named", action="store_true", help="with static membership")
    parser.add_argument(
        "--remove",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="tell the group of a named worker that it does not come back",
    )
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
