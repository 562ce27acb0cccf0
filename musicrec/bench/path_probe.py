"""Publishes events and notes when each of them is answered.

One process publishes and reads back, open loop: event n is due at start + n / rate whether or not earlier ones are
through, so a stall shows in every event that had to wait (no coordinated omission).
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from musicrec.contracts import ListenEvent
from musicrec.kafka_access import count_partitions
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import KafkaSettings

READY_DEADLINE_S = 120.0
DRAIN_DEADLINE_S = 120.0


async def start_worker(agent: str, stack: StackAddresses, folder: Path, number: int = 0) -> ChildProcess:
    """Start `musicrec worker AGENT` on the stack, one of several of its kind, and wait until it is ready."""
    name = f"{agent}-{number}"
    variables = {"MUSICREC_DATA_DIR": str(folder / name), "MUSICREC_AGENT__INSTANCE_ID": f"bench-{name}"}
    command = [sys.executable, "-m", "musicrec.cli.main", "worker", agent]
    worker = ChildProcess.start(name, command, folder / f"{name}.log", stack.environment() | variables)
    await until_ready(worker)
    return worker


async def until_ready(process: ChildProcess) -> None:
    """Wait until the process has said that it is ready.

    Raises:
        Unavailable: it ended instead.
    """
    await until_said(process, ": ready")


async def until_said(process: ChildProcess, words: str) -> None:
    """Wait until the process has said something.

    Raises:
        Unavailable: it ended instead.
    """
    async with asyncio.timeout(READY_DEADLINE_S):
        while words not in process.log_file.read_text(errors="replace"):
            process.check_alive()
            await asyncio.sleep(0.05)


class PathProbe:
    """One publisher and one reader.

    Args:
        kafka: connection.
        source: topic to publish to.
        target: topic to read.
        answered: returns the ids of the events that a record of `target` answers.
    """

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

    async def __aenter__(self) -> "PathProbe":
        options = self._kafka.client_options()
        self._producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        await self._producer.start()
        await self._consumer.start()
        partitions = [TopicPartition(self._target, p) for p in range(await count_partitions(self._kafka, self._target))]
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
