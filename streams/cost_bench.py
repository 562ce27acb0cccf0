"""What one event costs: processor time of each process, bytes on each topic, commands and memory of Redis.

A worker that lists does two things: it makes the lists of its own partitions, and it learns from everybody's sessions.
What learning costs is measured apart, on the sessions of the run; the rest is what lists cost.  What a process needs
while nothing comes is measured first, and taken off.

A list costs more where the catalogue says what tracks are called and like, and where they have vectors: all of the
load have both.  Most of it grows with the session that an event belongs to, so listeners play sessions as long as real
ones, and are in the middle of them when counting begins.  What a ranking worker remembers of a listener is measured
before, with many.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json
from redis.asyncio import Redis

from index.follower import EmbeddingFollower
from musicrec.bench.listen_load import IN_SESSION, LEAD_IN, LISTENERS, PLAYS_PER_SESSION, listen_load, sessions_load
from musicrec.bench.path_probe import PathProbe, start_worker
from musicrec.bench.surroundings import publish_catalogue
from musicrec.local import EmbeddedStack
from musicrec.local.child_process import ChildProcess
from musicrec.recommend.settings import RankingSettings
from musicrec.settings import KafkaSettings
from musicrec.sizing.costs import Costs
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, SESSIONS, TRACKS, Topic
from streams.counters import Counters
from streams.ranking_state import RankingState
from streams.topic_admin import create_missing_topics
from streams.warm_up import compile_kernels

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
APART: Final = ("session", "ranking", "outcome")
IN_ONE: Final = ("session-ranking", "outcome")
LISTING: Final = ("ranking", "session-ranking")
IDLE_S: Final = 10.0
TOPICS: Final = (LISTENS, SESSIONS, RECOMMENDATIONS, OUTCOMES)


class _Measured(NamedTuple):
    """Per event, and per listener where it says so."""

    cpu_ms: Mapping[str, float]
    """By agent and server."""
    learn_cpu_ms: float
    redis_commands: float
    topic_bytes: Mapping[str, float]
    redis_bytes_per_listener: float
    listing_bytes_per_listener: float


async def measure_costs(folder: Path, *, rate_per_s: float, seconds: float, progress: Callable[[str], None]) -> Costs:
    """Run the embedded servers and all agents, and count: sessions and lists in two workers, then both in one.

    Args:
        folder: for data and logs.
        rate_per_s: events per second.
        seconds: how long.
        progress: called with what happens now.
    """
    load = rate_per_s, round(rate_per_s * seconds)
    apart = await _measured(folder / "apart", APART, *load, progress)
    in_one = await _measured(folder / "in-one", IN_ONE, *load, progress)
    return Costs(
        events_per_s=rate_per_s,
        session_cpu_ms=apart.cpu_ms["session"],
        list_cpu_ms=max(0.0, apart.cpu_ms["ranking"] - apart.learn_cpu_ms),
        session_ranking_cpu_ms=max(0.0, in_one.cpu_ms["session-ranking"] - in_one.learn_cpu_ms),
        learn_cpu_ms=apart.learn_cpu_ms,
        outcome_cpu_ms=apart.cpu_ms["outcome"],
        kafka_cpu_ms=apart.cpu_ms["kafka"],
        redis_cpu_ms=apart.cpu_ms["redis"],
        redis_commands=apart.redis_commands,
        topic_bytes=dict(apart.topic_bytes),
        redis_bytes_per_listener=apart.redis_bytes_per_listener,
        ranking_bytes_per_listener=apart.listing_bytes_per_listener,
    )


async def _measured(
    folder: Path, names: Sequence[str], rate_per_s: float, count: int, progress: Callable[[str], None]
) -> _Measured:
    progress(f"workers: {', '.join(names)}")
    async with EmbeddedStack(folder) as stack:
        await create_missing_topics(stack.addresses.kafka)
        await publish_catalogue(stack.addresses.kafka)
        kafka, valkey = stack.kafka_server, stack.valkey_server
        assert kafka is not None
        assert valkey is not None
        async with (
            PathProbe(stack.addresses.kafka, LISTENS.name, RECOMMENDATIONS.name, _answered) as probe,
            Redis.from_url(valkey.url) as redis,
        ):
            agents = {name: await start_worker(name, stack.addresses, folder) for name in names}
            listing = next(agents[name] for name in names if name in LISTING)
            try:
                progress(f"warm-up at {rate_per_s:g}/s")
                await probe.run(listen_load("warm-up"), rate_per_s=rate_per_s, count=count // 3)
                processes = {**agents, "kafka": kafka.process, "redis": valkey.process}
                idle_ms = await _idle_ms_per_s(processes)
                progress(f"{count} events of {min(LISTENERS, count):,} listeners at {rate_per_s:g}/s")
                resident = _resident_bytes(listing)
                await probe.run(listen_load("listeners"), rate_per_s=rate_per_s, count=count)
                remembered = _resident_bytes(listing) - resident
                load = sessions_load("sessions")
                progress(f"{count} events in sessions of {PLAYS_PER_SESSION:g} plays at {rate_per_s:g}/s")
                stored = await _redis_bytes(redis)
                await probe.run(load, rate_per_s=None, count=LEAD_IN)
                sessions_from = await _session_ends(stack.addresses.kafka)
                before = _cpu_ms(processes), await _commands(redis), _topic_bytes(kafka.folder)
                await probe.run(load, rate_per_s=rate_per_s, count=count)
                after = _cpu_ms(processes), await _commands(redis), _topic_bytes(kafka.folder)
                stored = await _redis_bytes(redis) - stored
                progress("learning, apart")
                learn_ms = await _learning_ms(stack.addresses.kafka, sessions_from)
            finally:
                await asyncio.gather(*(worker.stop() for worker in agents.values()))
    return _Measured(
        {name: (after[0][name] - before[0][name]) / count - idle_ms[name] / rate_per_s for name in before[0]},
        learn_ms,
        (after[1] - before[1]) / count,
        {name: (after[2][name] - before[2][name]) / count for name in after[2]},
        stored / IN_SESSION,
        max(0.0, remembered) / min(LISTENERS, count),
    )


def _answered(record: Any) -> list[str]:
    value = from_json(record.value)
    trigger = value.get("trigger")
    return [trigger["event_id"], *value.get("passed_over", ())] if trigger else []


def _cpu_ms(processes: Mapping[str, ChildProcess]) -> dict[str, float]:
    """Return the processor time that each process has used, its own and the system's for it (proc(5), stat)."""
    used = {}
    for name, process in processes.items():
        fields: Sequence[str] = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used[name] = (int(fields[11]) + int(fields[12])) * 1_000 / TICKS_PER_S
    return used


async def _session_ends(kafka: KafkaSettings) -> Mapping[TopicPartition, int]:
    """Return where each partition of the snapshots ends."""
    async with AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False) as consumer:
        return dict(await consumer.end_offsets(_partitions(SESSIONS)))


def _partitions(topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for number in range(topic.partitions)]


async def _learning_ms(kafka: KafkaSettings, since: Mapping[TopicPartition, int]) -> float:
    """Return the processor time in which one session is read and learned from, with the kernels compiled.

    Args:
        kafka: connection.
        since: where those begin that are measured; what stands before is learned first.
    """
    compile_kernels()
    state = RankingState(RankingSettings(), Counters("bench"), None)
    vectors = EmbeddingFollower(kafka.client_options(), state.index)
    await vectors.start()
    await vectors.ready()
    await vectors.stop()
    async with AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False) as consumer:
        consumer.assign(_partitions(TRACKS))
        await consumer.seek_to_beginning()
        await _take(state, consumer, await consumer.end_offsets(_partitions(TRACKS)))
        consumer.assign(_partitions(SESSIONS))
        await consumer.seek_to_beginning()
        await _take(state, consumer, since)
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        ends = await consumer.end_offsets(_partitions(SESSIONS))
        began_s = time.process_time()
        await _take(state, consumer, ends)
        used_ms = (time.process_time() - began_s) * 1_000
        return used_ms / float(sum(ends[partition] - offset for partition, offset in since.items()))


async def _take(state: RankingState, consumer: AIOKafkaConsumer, until: Mapping[TopicPartition, int]) -> None:
    """Take in records from where the consumer stands on."""
    while any([await consumer.position(partition) < offset for partition, offset in until.items()]):
        for partition, records in (await consumer.getmany(timeout_ms=1_000, max_records=500)).items():
            state.take([record for record in records if record.offset < until[partition]])


async def _idle_ms_per_s(processes: Mapping[str, ChildProcess]) -> dict[str, float]:
    before = _cpu_ms(processes)
    await asyncio.sleep(IDLE_S)
    return {name: (used_ms - before[name]) / IDLE_S for name, used_ms in _cpu_ms(processes).items()}


def _resident_bytes(process: ChildProcess) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _topic_bytes(folder: Path) -> dict[str, float]:
    """Return the size of each topic's log; the broker fills a segment's file as it goes."""
    data = folder / "data"
    return {
        topic.name: float(sum(log.stat().st_size for log in data.glob(f"{topic.name}-[0-9]*/*.log")))
        for topic in TOPICS
    }


async def _commands(redis: Redis) -> int:
    return sum(int(command["calls"]) for command in (await redis.info("commandstats")).values())


async def _redis_bytes(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory_dataset"])
