"""One storm: start everything, let it pass, wait until all is done, and look at what is left."""

import asyncio
import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from storm import schedule
from storm.checks.events import Events
from storm.checks.lists import Lists
from storm.checks.logs import check_logs
from storm.checks.offsets import Offsets
from storm.checks.redis_keys import check_redis
from storm.checks.tracks import Tracks
from storm.clock import now_ms
from storm.faults import Faults
from storm.findings import Findings, Invariant
from storm.publisher import Publisher, make_music
from storm.reading import ends, records
from storm.reference import Fate
from storm.report import Result
from storm.schedule import Action
from storm.servers import Servers
from storm.stalls import Window, longest_by_fault, waits_of, worst
from storm.traffic import Traffic
from storm.workers import COUNTS, SEPARATE, Workers
from streams.topic_admin import create_missing_topics

RATE_PER_S = 50.0
READY_DEADLINE_S = 120.0
DRAIN_DEADLINE_S, IDLE_DEADLINE_S = 240.0, 60.0
MOST_MB, MOST_FILES = 1_600, 200

log = logging.getLogger("storm")


class Storm:
    """One run."""

    def __init__(
        self, seed: int, duration_s: float, actions: Sequence[Action], folder: Path, rate_per_s: float, workers: str
    ) -> None:
        self._counts = COUNTS[workers]
        self._seed = seed
        self._duration_s = duration_s
        self._actions = actions
        self._folder = folder
        self._rate_per_s = rate_per_s
        self._findings = Findings()
        self._windows: Sequence[Window] = ()
        self._drained_in_s = 0.0

    async def run(self) -> Result:
        """Start everything, let the storm pass, and look at what is left."""
        music = self._folder / "music"
        make_music(music)
        servers = Servers(self._folder / "servers")
        await servers.start()
        workers = Workers(servers.proxied, self._folder, music, self._counts)
        try:
            await create_missing_topics(servers.direct.kafka)
            connection = servers.direct.kafka.client_options()
            producer = AIOKafkaProducer(**connection, acks="all", enable_idempotence=True, request_timeout_ms=60_000)
            consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False, max_partition_fetch_bytes=4 << 20)
            async with producer, consumer:
                traffic = Traffic(self._seed, now_ms(), rate_per_s=self._rate_per_s)
                publisher = Publisher(producer, traffic, self._seed, music)
                await publisher.announce_catalogue()
                offsets = Offsets(servers.direct.kafka.bootstrap_servers, self._findings, self._counts)
                await self._weather(servers, workers, publisher, offsets, consumer)
                return await self._judge(servers, workers, publisher, consumer)
        finally:
            await workers.stop()
            await servers.stop()

    async def _weather(
        self, servers: Servers, workers: Workers, publisher: Publisher, offsets: Offsets, consumer: AIOKafkaConsumer
    ) -> None:
        workers.start()
        watching = [
            asyncio.create_task(workers.supervise()),
            asyncio.create_task(workers.watch_memory()),
            asyncio.create_task(offsets.watch()),
        ]
        try:
            await _until_ready(workers)
            log.info("all workers are ready; %d faults in %.0f s", len(self._actions), self._duration_s)
            faults = Faults(servers, workers)
            self._windows = faults.windows
            publishing = asyncio.create_task(publisher.publish(self._duration_s, faults.bursts))
            beginning_s = time.monotonic()
            async with asyncio.TaskGroup() as doing:
                for action in self._actions:
                    doing.create_task(self._do(faults, action, beginning_s))
            await publishing
            await self._until_done(offsets, consumer)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await workers.stop()

    async def _do(self, faults: Faults, action: Action, beginning_s: float) -> None:
        await asyncio.sleep(max(0.0, beginning_s + action.at_s - time.monotonic()))
        log.info("%s", action)
        await faults.do(action)

    async def _until_done(self, offsets: Offsets, consumer: AIOKafkaConsumer) -> None:
        began_s = moved_s = time.monotonic()
        behind: dict[str, int] = {"": 1}
        quiet = 0
        while quiet < 2:
            now_s = time.monotonic()
            if now_s - began_s > DRAIN_DEADLINE_S or now_s - moved_s > IDLE_DEADLINE_S:
                what = f"messages wait for {behind}, {now_s - began_s:.0f} s after the last fault was over"
                what += f"; nothing has moved for {now_s - moved_s:.0f} s"
                self._findings.add(Invariant.ALIVE, what, at_ms=now_ms() - 10_000)
                break
            await asyncio.sleep(1.0)
            with suppress(KafkaError, OSError, TimeoutError):
                before, behind = behind, await offsets.behind(await ends(consumer))
                if behind != before:
                    moved_s = time.monotonic()
                quiet = 0 if behind else quiet + 1
        self._drained_in_s = time.monotonic() - began_s

    async def _judge(
        self, servers: Servers, workers: Workers, publisher: Publisher, consumer: AIOKafkaConsumer
    ) -> Result:
        log.info("reading all topics")
        findings = self._findings
        events = Events(publisher.acknowledged, findings)
        lists = Lists(events, publisher.requested, findings)
        tracks = Tracks(publisher.audible, publisher.removed_ms, findings)
        lists.announced = set(publisher.audible)
        lists.removed_ms = publisher.removed_ms
        for topic, take in (
            ("musicrec.listens.v1", events.take_listen),
            ("musicrec.listens.v1.dlq", events.take_letter),
            ("musicrec.sessions.v1", events.take_session),
            ("musicrec.recommendations.v1", lists.take_list),
            ("musicrec.outcomes.v1", lists.take_outcome),
            ("musicrec.track-embeddings.v1", tracks.take_embedding),
            ("musicrec.tracks.v1.dlq", tracks.take_letter),
        ):
            async for record in records(consumer, [topic]):
                take(record)
        for topic in ("musicrec.sessions.v1.dlq", "musicrec.requests.v1.dlq"):
            async for record in records(consumer, [topic]):
                findings.add(Invariant.LETTERS, f"a dead letter of our own on {topic}@{record.offset}")
        for check in (events, lists, tracks):
            check.finish()
        async with servers.redis() as redis:
            keys = await check_redis(redis, events.reference, findings)
        check_logs(workers.logs, findings)
        self._check_workers(workers)
        published_ms = {event: expected.at_ms for event, expected in events.applied.items()}
        waits = waits_of(published_ms, lists.answered_ms)
        fates = [expected.fate for expected in events.expected.values()]
        return Result(
            seed=self._seed,
            duration_s=self._duration_s,
            actions=self._actions,
            windows=sorted(self._windows, key=lambda window: window.began_ms),
            events=len(fates),
            applied=len(events.emitted),
            dead_lettered=len(events.lettered),
            duplicates=fates.count(Fate.DUPLICATE),
            emitted_again=events.emitted_again,
            published_again=lists.published_again,
            drained_in_s=self._drained_in_s,
            redis_keys=keys,
            longest_ms=longest_by_fault(waits, self._windows),
            worst=worst(waits),
            findings=findings,
            ends=workers.ends,
            slots=workers.slots,
            logs=workers.logs,
        )

    def _check_workers(self, workers: Workers) -> None:
        for end in workers.ends:
            if not end.is_as_it_should_be:
                what = f"{end.worker} ended with status {end.status}: {end.last_line}"
                self._findings.add(Invariant.ALIVE, what, at_ms=end.at_ms)
        for slot in workers.slots:
            for sample in slot.samples:
                if sample.rss_mb > MOST_MB or sample.open_files > MOST_FILES:
                    what = f"{slot.name} held {sample.rss_mb:.0f} MB and {sample.open_files} files"
                    self._findings.add(Invariant.BOUNDED, what, at_ms=sample.at_ms)
                    break


async def _until_ready(workers: Workers) -> None:
    async with asyncio.timeout(READY_DEADLINE_S):
        while not all(slot.is_ready for slot in workers.slots):
            await asyncio.sleep(0.2)


async def storm(
    seed: int,
    duration_s: float,
    folder: Path,
    *,
    actions: Sequence[Action] | None = None,
    rate_per_s: float = RATE_PER_S,
    pause_s: float = schedule.PAUSE_S,
    workers: str = SEPARATE,
) -> Result:
    """Run a storm and write its schedule and its report into a new folder.

    Args:
        seed: decides schedule and traffic.
        duration_s: how long things happen; the drain and the reading come on top.
        folder: must not exist; what is large in it is removed in the end.
        actions: instead of those that the seed draws.
        rate_per_s: messages beside bursts.
        pause_s: mean pause between two faults, seconds.
        workers: which there are, a key of `COUNTS`.
    """
    if actions is None:
        actions = schedule.schedule(seed, duration_s, pause_s=pause_s)
    schedule.write(actions, folder / "schedule.jsonl")
    try:
        result = await Storm(seed, duration_s, actions, folder, rate_per_s, workers).run()
    finally:
        for data in ("servers/kafka/data", "servers/valkey", "data"):
            shutil.rmtree(folder / data, ignore_errors=True)
    (folder / "report.md").write_text(result.markdown())
    return result
