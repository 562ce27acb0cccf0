"""Real faults, real alerts: what fires how long after a fault, and what ends it.

A real Prometheus scrapes real workers every second, with the rules of deploy/prometheus/alerts.yml whose windows and
`for` are divided by `--shorter`: a time in the table times that number is about what production would see, where the
alert has a window at all.  Then each fault is made, and the step of its runbook page is done once the alert fires.
"""

import asyncio
import contextlib
import itertools
import json
import signal
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import reach_tests  # noqa: F401
from conftest import until_ready
from probe import producing, publish, publish_events
from prometheus import RULES, Prometheus, program, prometheus, shortened
from redis.asyncio import Redis
from services import command
from stage import Stage, arguments_of, run, say, show

from musicrec.client import play
from musicrec.contracts import ListenEvent, ModelAnnouncement, ModelFiles, Track
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.model_announcements import SESSION_ENCODER, put_announcement
from musicrec.sequence.encoder_files import MANIFEST, manifest_sha256
from musicrec.topics import LISTENS, TRACKS
from streams.session_store import KEY_PREFIX, connect

RATE_PER_S: Final = 30
FIRES_WITHIN_S: Final = 120.0
CLEARS_WITHIN_S: Final = 240.0
HOUR_MS: Final = 3_600_000

WORKERS: Final = (("session", "0"), ("ranking", "0"), ("ranking", "1"), ("outcome", "0"), ("embedder", "0"))


@dataclass
class Drill:
    """What faults are made on."""

    stage: Stage
    ports: dict[str, int]
    prometheus: Prometheus
    redis: Redis
    models: Path

    def start(self, agent: str, instance: str) -> ChildProcess:
        """Start a worker at the address at which it is scraped."""
        return start(self.stage, agent, instance, self.ports[f"{agent}-{instance}"], self.models)

    async def back(self, agent: str, instance: str) -> None:
        """Start a worker that has ended and wait until it is ready."""
        await until_ready(self.start(agent, instance))

    def kill(self, agent: str, instance: str) -> None:
        """As kill -9 does."""
        self.stage.workers[f"{agent}-{instance}"].signal(signal.SIGKILL)

    async def command(self, *arguments: str) -> str:
        """Run `musicrec`; give what it says."""
        environment = {"MUSICREC_RANKING__MODELS_DIR": str(self.models)}
        _, said = await command(self.stage.stack, self.stage.folder, *arguments, **environment)
        return said


@dataclass(frozen=True)
class Fault:
    """One fault, the alert that it is to raise, and the step that ends it."""

    what: str
    alert: str
    step: str
    make: Callable[[Drill], Awaitable[None]]
    mend: Callable[[Drill], Awaitable[None]]


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Make every fault, or those whose alerts are named."""
    faults = [fault for fault in FAULTS if not chosen.alert or fault.alert in chosen.alert]
    async with set_up(stage, chosen.shorter) as drill:
        show(f"windows and `for` divided by {chosen.shorter}\n")
        show("| fault | alert | fired after | cleared after | by | beside it |")
        show("| --- | --- | --- | --- | --- | --- |")
        for fault in faults:
            show(await tried(drill, fault))


async def tried(drill: Drill, fault: Fault) -> str:
    """Return the row of a fault."""
    before = await until(drill, lambda firing: fault.alert not in firing, CLEARS_WITHIN_S) or {}
    say(fault.what)
    seen: dict[str, float] = {}
    watching = asyncio.create_task(watch(drill, seen))
    since_s = time.perf_counter()
    await fault.make(drill)
    fired = await until(drill, lambda firing: fault.alert in firing, FIRES_WITHIN_S)
    fired_s = seen.get(fault.alert, time.perf_counter()) - since_s
    if fired is not None:
        say(f"  {json.dumps(fired[fault.alert]['annotations'], ensure_ascii=False)}")
    since_s = time.perf_counter()
    await fault.mend(drill)
    mended_s = time.perf_counter() - since_s
    cleared = await until(drill, lambda firing: fault.alert not in firing, CLEARS_WITHIN_S)
    cleared_s = time.perf_counter() - since_s
    watching.cancel()
    others = ", ".join(sorted(seen.keys() - {fault.alert} - before.keys())) or "nothing"
    after = f"{fired_s:.0f} s" if fault.alert in seen else "**never**"
    over = f"{cleared_s:.0f} s (the step: {mended_s:.0f} s)" if cleared is not None else "**never**"
    return f"| {fault.what} | {fault.alert} | {after} | {over} | {fault.step} | {others} |"


async def watch(drill: Drill, seen: dict[str, float]) -> None:
    """Note, for ever, when each alert fires for the first time."""
    while True:
        for name in await drill.prometheus.firing():
            seen.setdefault(name, time.perf_counter())
        await asyncio.sleep(0.25)


async def until(
    drill: Drill, holds: Callable[[dict[str, dict[str, object]]], bool], deadline_s: float
) -> dict[str, dict[str, object]] | None:
    """Wait for a set of firing alerts and return it; None at the deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not holds(firing := await drill.prometheus.firing()):
                await asyncio.sleep(0.25)
            return firing
    return None


@asynccontextmanager
async def set_up(stage: Stage, shorter: int) -> AsyncIterator[Drill]:
    """Start workers, page, exporter and Prometheus, and let events flow."""
    models = stage.folder / "models"
    models.mkdir(parents=True)
    names = [f"{agent}-{instance}" for agent, instance in WORKERS]
    ports = {name: free_port() for name in [*names, "web", "redis"]}
    say("starting workers")
    started = [start(stage, *worker, ports[name], models) for worker, name in zip(WORKERS, names, strict=True)]
    await asyncio.gather(*(until_ready(worker) for worker in started))
    web = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", str(ports["web"])]
    url = stage.stack.redis.url.get_secret_value()
    exporter = [program("prometheus-redis-exporter"), f"-redis.addr={url}", f"-web.listen-address=:{ports['redis']}"]
    beside = [
        ChildProcess.start("page", web, stage.folder / "web.log", stage.stack.environment()),
        ChildProcess.start("redis_exporter", exporter, stage.folder / "redis_exporter.log"),
    ]
    targets: dict[str, list[str]] = {}
    for name, port in ports.items():
        targets.setdefault(name.rpartition("-")[0] or name, []).append(f"{LOOPBACK}:{port}")
    rules = shortened(RULES.read_text(), shorter)
    try:
        async with (
            prometheus(stage.folder / "prometheus", targets, rules) as server,
            connect(stage.stack.redis) as redis,
        ):
            flow = asyncio.create_task(flowing(stage))
            try:
                yield Drill(stage, ports, server, redis, models)
            finally:
                flow.cancel()
                await asyncio.gather(flow, return_exceptions=True)
    finally:
        await asyncio.gather(*(process.stop() for process in beside))


def start(stage: Stage, agent: str, instance: str, port: int, models: Path) -> ChildProcess:
    """Start a worker that is scraped at a port."""
    variables = {"HEALTH__PORT": str(port), "RANKING__MODELS_DIR": str(models), "EMBEDDER_ALLOWED_ROOT": str(models)}
    return stage.start(agent, instance, **{f"MUSICREC_{name}": value for name, value in variables.items()})


async def flowing(stage: Stage) -> None:
    """Publish plays for ever, also across a broker's restart."""
    numbers = itertools.count()
    while True:
        with contextlib.suppress(Exception):
            async with producing(stage.stack) as producer:
                while True:
                    async with asyncio.timeout(10):
                        await publish_events(producer, [listen(next(numbers))])
                    await asyncio.sleep(1 / RATE_PER_S)


def listen(number: int, *, ahead_ms: int = 0) -> ListenEvent:
    """Return a play of now."""
    event = play(f"listener-{number % 200}", f"track-{number * 7 % 50}", ms_played=170_000, duration_ms=180_000)
    return event.model_copy(update={"occurred_at_ms": event.occurred_at_ms + ahead_ms})


async def nothing(drill: Drill) -> None:
    """The cause is gone by itself; the window has to pass."""


async def kill_redis(drill: Drill) -> None:
    server = drill.stage.servers.valkey_server
    assert server is not None
    server.process.signal(signal.SIGKILL)
    await server.process.wait()


async def start_redis(drill: Drill) -> None:
    server = drill.stage.servers.valkey_server
    assert server is not None
    await server.start()


async def fill_redis(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory", "1mb")


async def fill_redis_under_load(drill: Drill) -> None:
    await fill_redis(drill)
    async with producing(drill.stage.stack) as producer:
        await publish_events(producer, [listen(number) for number in range(1500)])


async def have_redis_evict(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory-policy", "allkeys-lru")
    await fill_redis(drill)


async def forbid_eviction(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory-policy", "noeviction")
    await give_redis_memory(drill)


async def give_redis_memory(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory", "0")


async def kill_kafka(drill: Drill) -> None:
    server = drill.stage.servers.kafka_server
    assert server is not None
    server.process.signal(signal.SIGKILL)
    await server.process.wait()


async def start_kafka(drill: Drill) -> None:
    server = drill.stage.servers.kafka_server
    assert server is not None
    await server.start()


async def kill_one_ranking_worker(drill: Drill) -> None:
    drill.kill("ranking", "1")


async def start_one_ranking_worker(drill: Drill) -> None:
    await drill.back("ranking", "1")


async def kill_all_ranking_workers(drill: Drill) -> None:
    drill.kill("ranking", "0")
    drill.kill("ranking", "1")


async def start_all_ranking_workers(drill: Drill) -> None:
    await asyncio.gather(drill.back("ranking", "0"), drill.back("ranking", "1"))


async def kill_the_session_worker(drill: Drill) -> None:
    drill.kill("session", "0")


async def start_the_session_worker(drill: Drill) -> None:
    await drill.back("session", "0")


async def restart_again_and_again(drill: Drill) -> None:
    for _ in range(4):
        drill.kill("outcome", "0")
        worker = drill.start("outcome", "0")
        while "health: http" not in worker.log_file.read_text(errors="replace"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(3.0)  # until it was scraped


async def stand_still(drill: Drill) -> None:
    workers = [drill.stage.workers[f"ranking-{instance}"] for instance in "01"]
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    await asyncio.sleep(30.0)
    for worker in workers:
        worker.signal(signal.SIGCONT)


async def publish_poison(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish(producer, LISTENS.name, [(b"k", b"no JSON")] * 200)


async def publish_from_the_future(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish_events(producer, [listen(number, ahead_ms=HOUR_MS) for number in range(40)])


async def announce_tracks_without_files(drill: Drill) -> None:
    tracks = [
        Track(
            track_id=f"lost-{number}",
            title="Lost",
            artist_id="nobody",
            audio_uri=f"{drill.models.as_uri()}/{number}.mp3",
        )
        for number in range(40)
    ]
    async with producing(drill.stage.stack) as producer:
        await publish(producer, TRACKS.name, [(track.track_id.encode(), track.encode()) for track in tracks])


async def damage_states(drill: Drill) -> None:
    for number in range(5):
        await drill.redis.hset(f"{KEY_PREFIX}listener-{number}", "state", b"{")  # type: ignore[misc]


async def delete_damaged_states(drill: Drill) -> None:
    await drill.redis.delete(*(f"{KEY_PREFIX}listener-{number}" for number in range(5)))
    say(await drill.command("dlq", "replay", "--reason", "unreadable_state", "--yes"))


async def announce_a_damaged_model(drill: Drill) -> None:
    folder = drill.models / "monday"
    folder.mkdir()
    (folder / MANIFEST).write_text("{")
    files = ModelFiles(version="monday", manifest_sha256=manifest_sha256(folder), folder="monday")
    announced = ModelAnnouncement(name=SESSION_ENCODER, files=files, announced_at_ms=time.time_ns() // 1_000_000)
    await put_announcement(drill.stage.stack.kafka, SESSION_ENCODER, announced)


async def withdraw_the_model(drill: Drill) -> None:
    say(await drill.command("model", "withdraw", SESSION_ENCODER))


FAULTS: Final = (
    Fault("Redis is killed", "MusicrecRedisAway", "start Redis", kill_redis, start_redis),
    Fault("Redis is at its maxmemory", "MusicrecRedisErrors", "`CONFIG SET maxmemory`", fill_redis, give_redis_memory),
    Fault("the same", "MusicrecRedisMemory", "`CONFIG SET maxmemory`", fill_redis, give_redis_memory),
    Fault(
        "one of two ranking workers is killed",
        "MusicrecWorkerUnreachable",
        "`musicrec worker ranking`",
        kill_one_ranking_worker,
        start_one_ranking_worker,
    ),
    Fault(
        "both ranking workers are killed",
        "MusicrecAgentDown",
        "`musicrec worker ranking`",
        kill_all_ranking_workers,
        start_all_ranking_workers,
    ),
    Fault(
        "the only session worker is killed",
        "MusicrecNobodyConsumes",
        "`musicrec worker session`",
        kill_the_session_worker,
        start_the_session_worker,
    ),
    Fault("a worker is killed four times", "MusicrecRestartLoop", "it is left alone", restart_again_and_again, nothing),
    Fault(
        "both ranking workers stand still for half a minute",
        "MusicrecListsLate",
        "they go on",
        stand_still,
        nothing,
    ),
    Fault("200 messages that are no JSON", "MusicrecDeadLetters", "the publisher stops", publish_poison, nothing),
    Fault("40 events of an hour ahead", "MusicrecClockSkew", "the publisher stops", publish_from_the_future, nothing),
    Fault(
        "five listeners' states are damaged in Redis",
        "MusicrecStateUnreadable",
        "`DEL`, `musicrec dlq replay --reason unreadable_state`",
        damage_states,
        delete_damaged_states,
    ),
    Fault(
        "a damaged model is announced",
        "MusicrecModelRefused",
        "`musicrec model withdraw session_encoder`",
        announce_a_damaged_model,
        withdraw_the_model,
    ),
    Fault(
        "40 tracks whose files are not there",
        "MusicrecEmbedderFailing",
        "the store is mended",
        announce_tracks_without_files,
        nothing,
    ),
    Fault(
        "Redis is full while 1,500 events come at once",
        "MusicrecLagGrowing",
        "`CONFIG SET maxmemory`",
        fill_redis_under_load,
        give_redis_memory,
    ),
    Fault(
        "Redis is full and may evict",
        "MusicrecRedisEvicts",
        "`CONFIG SET maxmemory-policy noeviction`, `CONFIG SET maxmemory`",
        have_redis_evict,
        forbid_eviction,
    ),
    Fault("Kafka is killed", "MusicrecKafkaAway", "start Kafka", kill_kafka, start_kafka),
)


if __name__ == "__main__":
    parser = arguments_of(__doc__)
    parser.add_argument("--shorter", type=int, default=20, help="what windows and `for` are divided by")
    parser.add_argument("--alert", action="append", help="only faults that raise this one; several times for several")
    options = parser.parse_args()
    run(lambda stage: measure(stage, options), options.folder)
