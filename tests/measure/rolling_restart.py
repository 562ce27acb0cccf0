"""Workers with static membership are restarted one after the other under load: what moves, and who waits how long.

Three session and two ranking workers; each gets SIGTERM, and on a second round SIGKILL, and is started again at once.
Its partitions should wait for it, and nobody should wait longer than it is away.
"""

import asyncio
import signal
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import NamedTuple

import reach_tests  # noqa: F401
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from conftest import until_ready
from live_path import LivePath, percentiles
from stage import READY_DEADLINE_S, Stage, arguments_of, run, say, show

from musicrec.bench.listen_load import listen_load
from streams.consumer_groups import consumer_group
from streams.metrics import REBALANCES

WORKERS = (("session", "a"), ("session", "b"), ("session", "c"), ("ranking", "a"), ("ranking", "b"))
UUID_CHARS = 37
"""The broker names a static member by its instance id, a dash, and a UUID of its own."""
LOOK_EVERY_S = 0.5
ANSWERS_DEADLINE_S = 120.0

Owners = Mapping[TopicPartition, str]
"""Partition of an agent's group and the instance that has it."""


class Restart(NamedTuple):
    """One worker's."""

    began_s: float
    ended_s: float
    moved: int
    """Partitions that another instance had at any look, or after it."""
    rebalances: int
    """That the workers of the group which stayed have been through."""


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Restart all workers twice and print a line for each."""
    patient = {"MUSICREC_AGENT__SESSION_TIMEOUT_S": str(chosen.session_timeout_s)}
    say("starting " + ", ".join(f"{agent} {instance}" for agent, instance in WORKERS))
    started = [stage.start(agent, instance, **patient) for agent, instance in WORKERS]
    await asyncio.gather(*(until_ready(worker, READY_DEADLINE_S) for worker in started))
    admin = AIOKafkaAdminClient(**stage.stack.kafka.client_options())
    await admin.start()
    try:
        async with LivePath.on(stage.stack.kafka) as path:
            await path.publish("warm-up", listen_load("warm-up"), rate_per_s=chosen.rate, count=round(chosen.rate * 10))
            over = asyncio.Event()
            load = asyncio.create_task(path.publish("load", listen_load("load"), rate_per_s=chosen.rate, until=over))
            restarts: list[tuple[str, Restart]] = []
            for end in (signal.SIGTERM, signal.SIGKILL):
                for agent, instance in WORKERS:
                    say(f"{end.name} to {agent} {instance}")
                    restart = await restarted(stage, admin, agent, instance, end, patient)
                    restarts.append((f"{end.name} {agent} {instance}", restart))
                    await asyncio.sleep(chosen.pause_s)
            over.set()
            await load
            await path.all_answered(ANSWERS_DEADLINE_S)
    finally:
        await admin.close()
    for name, restart in restarts:
        took_s = restart.ended_s - restart.began_s
        waited_s = max(a.took_s for a in path.answers["load"] if restart.began_s - 1 <= a.due_s <= restart.ended_s + 1)
        show(
            f"{name}: {took_s:.2f} s until ready; longest event to list {waited_s:.2f} s; "
            f"{restart.moved} partitions moved, {restart.rebalances} rebalances of the others"
        )
    show(f"partitions moved: {sum(r.moved for _, r in restarts)}; events at {chosen.rate:g}/s, all answered: ")
    show(f"  {percentiles(path.answers['load'])}")


async def restarted(
    stage: Stage, admin: AIOKafkaAdminClient, agent: str, instance: str, end: signal.Signals, variables: dict[str, str]
) -> Restart:
    """End a worker, start it again, and look at its group meanwhile."""
    before = await owners(admin, agent)
    others = [name for name in stage.workers if name.startswith(agent) and name != f"{agent}-{instance}"]
    rebalances = [(await stage.counts(name))[REBALANCES.name,] for name in others]
    moved: set[TopicPartition] = set()
    watch = asyncio.create_task(_watch(admin, agent, before, moved))
    began_s = time.perf_counter()
    worker = stage.workers[f"{agent}-{instance}"]
    worker.signal(end)
    await worker.wait()
    await until_ready(stage.start(agent, instance, **variables), READY_DEADLINE_S)
    ended_s = time.perf_counter()
    await asyncio.sleep(2 * LOOK_EVERY_S)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    moved |= _moved(before, await owners(admin, agent))
    after = [(await stage.counts(name))[REBALANCES.name,] for name in others]
    return Restart(began_s, ended_s, len(moved), round(sum(after) - sum(rebalances)))


async def _watch(admin: AIOKafkaAdminClient, agent: str, before: Owners, moved: set[TopicPartition]) -> None:
    while True:
        moved |= _moved(before, await owners(admin, agent))
        await asyncio.sleep(LOOK_EVERY_S)


def _moved(before: Owners, now: Owners) -> set[TopicPartition]:
    # A group in the middle of a rebalance tells of no assignment; that is counted as a rebalance.
    return {partition for partition, owner in now.items() if before[partition] != owner}


async def owners(admin: AIOKafkaAdminClient, agent: str) -> Owners:
    """Return who has which partition, as the group's coordinator knows it."""
    (response,) = await admin.describe_consumer_groups([consumer_group(agent)])
    (group,) = response.groups
    found: dict[TopicPartition, str] = {}
    for member_id, _client, _host, _metadata, assignment in group[5]:
        if assignment:
            for topic, partitions in ConsumerProtocolMemberAssignment.decode(assignment).assignment:
                found |= {TopicPartition(topic, number): member_id[:-UUID_CHARS] for number in partitions}
    return found


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="events per second")
    parser.add_argument("--pause-s", type=float, default=3.0, help="between two restarts")
    parser.add_argument("--session-timeout-s", type=float, default=30.0, help="above the time that a restart takes")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
