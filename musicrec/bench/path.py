"""Event to list on a real broker, beside a relay of the same hops.

One process publishes and reads back, open loop: event n is due at start + n / rate whether or not earlier ones are
through, so a stall shows in every event that had to wait (no coordinated omission).
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic_core import from_json

from musicrec.bench.listen_load import listen_load
from musicrec.bench.percentiles import Latency
from musicrec.contracts import ListenEvent
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, RECOMMENDATIONS, USER_PARTITIONS

RELAY_TOPICS = ("musicrec.bench.first", "musicrec.bench.middle", "musicrec.bench.last")
READY_DEADLINE_S = 120.0
DRAIN_DEADLINE_S = 120.0


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
        progress: called with what happens now.
    """
    await _create_relay_topics(stack.kafka)
    progress(f"relay at {rate_per_s:g}/s")
    relay = await _measure_relay(stack, folder, rate_per_s, seconds)
    async with _Probe(stack.kafka, LISTENS.name, RECOMMENDATIONS.name, _answered_events) as probe:
        progress("starting the session and the ranking worker")
        workers = [await _start_worker(agent, stack, folder) for agent in ("session", "ranking")]
        try:
            await probe.run(listen_load("warm-up"), rate_per_s=rate_per_s, count=200)
            progress(f"{flat_out_events} events flat out")
            lists_before, began_s = probe.lists, time.perf_counter()
            await probe.run(listen_load("flat-out"), rate_per_s=None, count=flat_out_events)
            lists = probe.lists - lists_before
            lists_per_s = lists / (time.perf_counter() - began_s)
            progress(f"agents at {rate_per_s:g}/s")
            ours = await probe.run(listen_load("paced"), rate_per_s=rate_per_s, count=round(rate_per_s * seconds))
        finally:
            for worker in workers:
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
        await _until_ready(relay)
        async with _Probe(stack.kafka, first, last, _relayed_event) as probe:
            await probe.run(listen_load("warm-up"), rate_per_s=rate_per_s, count=200)
            name = f"relay-{time.time_ns()}"
            return await probe.run(listen_load(name), rate_per_s=rate_per_s, count=round(rate_per_s * seconds))
    finally:
        await relay.stop()


async def _start_worker(agent: str, stack: StackAddresses, folder: Path) -> ChildProcess:
    variables = {"MUSICREC_DATA_DIR": str(folder), "MUSICREC_AGENT__INSTANCE_ID": f"bench-{agent}"}
    command = [sys.executable, "-m", "musicrec.cli.main", "worker", agent]
    worker = ChildProcess.start(agent, command, folder / f"{agent}.log", stack.environment() | variables)
    await _until_ready(worker)
    return worker


async def _until_ready(process: ChildProcess) -> None:
    async with asyncio.timeout(READY_DEADLINE_S):
        while "ready" not in process.log_file.read_text(errors="replace"):
            process.check_alive()
            await asyncio.sleep(0.05)


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


class _Probe:
    """Publishes events and notes when each of them is answered."""

    def __init__(
        self, kafka: KafkaSettings, source: str, target: str, answered: Callable[[ConsumerRecord], list[str]]
    ) -> None:
        self._kafka = kafka
        self._source = source
        self._target = target
        self._answered = answered
        self._due_s: dict[str, float] = {}
        self._times_s: list[float] = []
        self.lists = 0

    async def __aenter__(self) -> "_Probe":
        options = self._kafka.client_options()
        self._producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        await self._producer.start()
        await self._consumer.start()
        partitions = [TopicPartition(self._target, p) for p in range(USER_PARTITIONS)]
        self._consumer.assign(partitions)
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            now_s = time.perf_counter()
            self.lists += 1
            for event_id in self._answered(record):
                due_s = self._due_s.pop(event_id, None)
                if due_s is not None:
                    self._times_s.append(now_s - due_s)

    async def run(self, load: Iterator[ListenEvent], *, rate_per_s: float | None, count: int) -> list[float]:
        """Publish `count` events, at a rate or flat out; wait for all answers; return the times, seconds."""
        self._times_s = []
        sent: list[Awaitable[object]] = []
        began_s = time.perf_counter()
        for number in range(count):
            event = next(load)
            due_s = began_s + number / rate_per_s if rate_per_s is not None else time.perf_counter()
            while rate_per_s is not None and (wait_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            self._due_s[event.event_id] = due_s
            sent.append(await self._producer.send(self._source, event.encode(), key=event.user_id.encode()))
        await asyncio.gather(*sent)
        async with asyncio.timeout(DRAIN_DEADLINE_S):
            while self._due_s:
                if self._reader.done():
                    self._reader.result()
                await asyncio.sleep(0.02)
        return self._times_s
