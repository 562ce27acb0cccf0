"""Event to list on a real broker, beside a relay of the same hops."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic_core import from_json

from musicrec.bench.listen_load import LEAD_IN, listen_load, sessions_load
from musicrec.bench.path_probe import PathProbe, start_worker, until_ready
from musicrec.bench.percentiles import Latency
from musicrec.bench.surroundings import publish_catalogue, start_beside
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, RECOMMENDATIONS, USER_PARTITIONS

RELAY_TOPICS = ("musicrec.bench.first", "musicrec.bench.middle", "musicrec.bench.last")


@dataclass(frozen=True, slots=True)
class PathReport:
    """What was measured."""

    ours: Latency
    relay: Latency
    lists_per_s: float
    passed_over: int
    """Events answered together with a newer one of the same listener, flat out."""

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return the published keys."""
        return {
            "ours": self.ours.as_dict() | {"lists_per_s": round(self.lists_per_s, 1)},
            "relay": self.relay.as_dict(),
        }


async def measure_path(
    stack: StackAddresses,
    folder: Path,
    *,
    rate_per_s: float,
    seconds: float,
    flat_out_events: int,
    workers: Sequence[str],
    of_each: int = 1,
    in_session: bool = False,
    everything: bool = False,
    progress: Callable[[str], None],
) -> PathReport:
    """Measure relay, agents flat out, agents at the rate, relay again.

    The flat-out phase comes first for the agents: it fills their state, so that the latency is that of a ranking worker
    with sessions, rules and listeners in memory.

    Args:
        stack: running Kafka and Redis.
        folder: for logs of the workers.
        rate_per_s: events per second of the latency phases.
        seconds: length of each latency phase.
        flat_out_events: events of the throughput phase.
        workers: agents that have workers.
        of_each: how many of each.
        in_session: whether listeners are in the middle of sessions as long as real ones, not at a first play.
        everything: whether there are a catalogue with vectors, an outcome worker and the live page too.
        progress: called with what happens now.
    """
    run = f"{time.time_ns():x}"  # on servers that outlive a run, its events must not be those of the one before
    await _create_relay_topics(stack.kafka)
    progress(f"relay at {rate_per_s:g}/s")
    relay = await _measure_relay(stack, folder, rate_per_s, seconds)
    if everything:
        progress("a catalogue with descriptions and vectors")
        await publish_catalogue(stack.kafka)
    started: list[ChildProcess] = []
    async with PathProbe(stack.kafka, LISTENS.name, RECOMMENDATIONS.name, _answered_events) as probe:
        try:
            progress(f"starting workers: {', '.join(workers)}, {of_each} of each")
            for name, number in product(workers, range(of_each)):
                started.append(await start_worker(name, stack, folder, number))
            if everything:
                progress("starting outcome worker and live page")
                started += await start_beside(stack, folder)
            await probe.run(listen_load(f"warm-up-{run}"), rate_per_s=rate_per_s, count=200)
            flat_out, paced = listen_load(f"flat-out-{run}"), listen_load(f"paced-{run}")
            if in_session:
                flat_out = paced = sessions_load(f"sessions-{run}")
                progress(f"{LEAD_IN} events, up to the middle of sessions")
                await probe.run(flat_out, rate_per_s=None, count=LEAD_IN)
            progress(f"{flat_out_events} events flat out")
            lists_before, began_s = probe.lists, time.perf_counter()
            await probe.run(flat_out, rate_per_s=None, count=flat_out_events)
            lists = probe.lists - lists_before
            lists_per_s = lists / (time.perf_counter() - began_s)
            progress(f"agents at {rate_per_s:g}/s")
            ours = await probe.run(paced, rate_per_s=rate_per_s, count=round(rate_per_s * seconds))
        finally:
            for worker in started:
                await worker.stop()
    progress(f"relay at {rate_per_s:g}/s again")
    relay += await _measure_relay(stack, folder, rate_per_s, seconds)
    return PathReport(Latency.of_seconds(ours), Latency.of_seconds(relay), lists_per_s, flat_out_events - lists)


async def _measure_relay(stack: StackAddresses, folder: Path, rate_per_s: float, seconds: float) -> list[float]:
    first, _, last = RELAY_TOPICS
    relay = ChildProcess.start(
        "relay",
        [sys.executable, "-m", "musicrec.bench.relay", stack.kafka.bootstrap_servers, *RELAY_TOPICS],
        folder / "relay.log",
    )
    try:
        await until_ready(relay)
        async with PathProbe(stack.kafka, first, last, _relayed_event) as probe:
            await probe.run(listen_load("warm-up"), rate_per_s=rate_per_s, count=200)
            name = f"relay-{time.time_ns()}"
            return await probe.run(listen_load(name), rate_per_s=rate_per_s, count=round(rate_per_s * seconds))
    finally:
        await relay.stop()


async def _create_relay_topics(kafka: KafkaSettings) -> None:
    client = AIOKafkaAdminClient(**kafka.client_options())
    await client.start()
    try:
        await client.create_topics([NewTopic(name, USER_PARTITIONS, 1) for name in RELAY_TOPICS])
    finally:
        await client.close()


def _answered_events(record: ConsumerRecord) -> list[str]:
    # Parsed without the contract's checks: the probe must cost as little as it can.
    value = from_json(record.value)
    trigger = value.get("trigger")
    return [trigger["event_id"], *value.get("passed_over", ())] if trigger else []


def _relayed_event(record: ConsumerRecord) -> list[str]:
    return [from_json(record.value)["event_id"]]
