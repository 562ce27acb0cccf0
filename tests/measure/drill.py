"""What the alert drill makes its faults on: a whole stack, an orchestrator, and one Prometheus per divisor of time.

Rules speak of minutes to days.  So that a fault needs seconds, windows, `for` and ages of the rules are divided, and so
is the time for which a worker tries again before it ends; what has a pace of its own (a model that is missing is looked
for every half minute) names a smaller divisor, what needs days a larger one.  An orchestrator starts again what ends by
itself, sooner or later, as it does in production: alerts have to live with workers that come and go.
"""

import asyncio
import contextlib
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import reach_tests  # noqa: F401
from conftest import until_ready
from gateway_process import GatewayProcess
from probe import producing, publish, publish_events
from prometheus import RULES, Prometheus, program, prometheus, shortened
from services import command
from stage import Stage, say
from storm.proxy import BLOCK_BYTES, Proxy
from tiny_audio import noises

from musicrec.client import play
from musicrec.contracts import ListenEvent
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.topics import TRACKS as CATALOGUE
from streams.redis_connection import RedisClient, connect

RATE_PER_S: Final = 30
FETCH: Final = b"\x00\x01"
"""Kafka's number of the request."""
SETTLES_S: Final = 10.0
"""Until every group has committed something: of one that never has nobody knows what waits for it."""
LISTENERS: Final = 200
TRACKS: Final = 50
RETRY_DEADLINE_S: Final = 120
"""Default of MUSICREC_AGENT__RETRY_DEADLINE_S."""
FIRST_RESTART_S, LAST_RESTART_S = 10, 300
"""Kubernetes waits so long before it starts again what has ended, twice as long each time."""
SKIPPED_MS, HEARD_MS, LONG_MS = 5_000, 170_000, 180_000

WORKERS: Final = (("session", "0"), ("ranking", "0"), ("ranking", "1"), ("outcome", "0"), ("embedder", "0"))


class Plays:
    """What listeners do: each hears one track after the other, in the same order as everybody."""

    def __init__(self) -> None:
        self.rate_per_s: float = RATE_PER_S
        self.skipped_one_in = 10
        """Of so many plays one is turned away after five seconds."""
        self._numbers = itertools.count()

    def next(self, *, ahead_ms: int = 0) -> ListenEvent:
        """Return a play of now, or of some time ahead."""
        number = next(self._numbers)
        listener, track = number % LISTENERS, (number // LISTENERS + 7 * number) % TRACKS
        ms_played = SKIPPED_MS if (number // LISTENERS + number) % self.skipped_one_in == 0 else HEARD_MS
        event = play(f"listener-{listener}", f"track-{track}", ms_played=ms_played, duration_ms=LONG_MS)
        return event.model_copy(update={"occurred_at_ms": event.occurred_at_ms + ahead_ms})

    async def flow(self, stage: Stage) -> None:
        """Publish for ever, also across a broker's restart."""
        while True:
            with contextlib.suppress(Exception):
                async with producing(stage.stack) as producer:
                    while True:
                        async with asyncio.timeout(10):
                            await publish_events(producer, [self.next()])
                        await asyncio.sleep(1 / self.rate_per_s)


class Way(Proxy):
    """A way to Kafka on which the fetches of one topic may be lost: whoever follows it hears nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self.loses: str | None = None
        """The topic."""

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        while block := await reader.read(BLOCK_BYTES):
            if self.loses is not None and not is_answer and _fetches(block, self.loses):
                continue
            writer.write(block)
            await writer.drain()
        raise ConnectionResetError  # as the proxy does


def _fetches(request: bytes, topic: str) -> bool:
    """Return whether a request of Kafka's protocol, four bytes of length before it, fetches a topic."""
    return request[4:6] == FETCH and topic.encode() in request


@dataclass
class Drill:
    """What faults are made on."""

    stage: Stage
    shorter: int
    """What times are divided by, where a fault does not say otherwise."""
    ports: dict[str, int]
    """Where processes are scraped."""
    watching: dict[int, Prometheus]
    """By divisor."""
    redis: RedisClient
    gateway: GatewayProcess
    beside: dict[str, ChildProcess] = field(default_factory=dict)
    """Other processes than workers."""
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    """By worker what differs from its usual environment."""
    plays: Plays = field(default_factory=Plays)
    way: Way = field(default_factory=Way)
    """A second way to Kafka, once there is one."""
    kept_down: set[str] = field(default_factory=set)
    """Workers that nobody starts again."""
    _going_on: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def prometheus(self) -> Prometheus:
        """The one of the usual divisor."""
        return self.watching[self.shorter]

    @property
    def models(self) -> Path:
        """Where models and audio lie."""
        return self.stage.folder / "models"

    def mounted(self, instance: str) -> Path:
        """Return where a ranking worker sees them: a link, as a volume is mounted."""
        return self.stage.folder / f"models-of-{instance}"

    def mount(self, instance: str) -> None:
        """Let a ranking worker see the models."""
        self.mounted(instance).symlink_to(self.models)

    def unmount(self, instance: str) -> None:
        """Let a ranking worker see none."""
        self.mounted(instance).unlink()

    def environment(self, agent: str, instance: str) -> dict[str, str]:
        """Return what a worker's environment has beside the servers' addresses."""
        name = f"{agent}-{instance}"
        usual = {
            "MUSICREC_HEALTH__PORT": str(self.ports.get(name, 0)),
            "MUSICREC_AGENT__RETRY_DEADLINE_S": str(RETRY_DEADLINE_S / self.shorter),
            "MUSICREC_RANKING__MODELS_DIR": str(self.mounted(instance)),
            "MUSICREC_EMBEDDER_ALLOWED_ROOT": str(self.models),
        }
        return usual | self.variables.get(name, {})

    def start(self, agent: str, instance: str, **variables: str) -> ChildProcess:
        """Start a worker at the address at which it is scraped; `variables` stay with it."""
        name = f"{agent}-{instance}"
        self.variables.setdefault(name, {}).update(variables)
        self.kept_down.discard(name)
        return self.stage.start(agent, instance, **self.environment(agent, instance))

    async def back(self, agent: str, instance: str, **variables: str) -> None:
        """Start a worker that has ended and wait until it is ready."""
        await until_ready(self.start(agent, instance, **variables))

    def kill(self, agent: str, instance: str) -> None:
        """End a worker as kill -9 does; nobody starts it again."""
        self.kept_down.add(f"{agent}-{instance}")
        self.stage.workers[f"{agent}-{instance}"].signal(signal.SIGKILL)

    async def again(self, agent: str, instance: str, **variables: str) -> None:
        """Have a worker end in order and start with other variables."""
        self.kept_down.add(f"{agent}-{instance}")
        await self.stage.workers[f"{agent}-{instance}"].stop()
        await self.back(agent, instance, **variables)

    async def start_gateway(self) -> None:
        """Start another gateway in the place of one that has ended."""
        self.gateway = await gateway_of(self.stage, self.ports["gateway"]).listens()

    def start_page(self) -> None:
        """Start the page."""
        command = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", str(self.ports["web"])]
        environment = self.stage.stack.environment()
        self.beside["web"] = ChildProcess.start("page", command, self.stage.folder / "web.log", environment)

    async def musicrec(self, *arguments: str) -> None:
        """Run a command of ours, and tell what it says."""
        environment = {"MUSICREC_RANKING__MODELS_DIR": str(self.models)}
        _, said = await command(self.stage.stack, self.stage.folder, *arguments, **environment)
        say(f"  musicrec {' '.join(arguments)}: {said.strip()}")

    async def open_way(self) -> None:
        """Have the broker listen behind the proxy too; its clients stay on the way on which they came."""
        server = self.stage.servers.kafka_server
        assert server is not None
        port = free_port()
        await self.way.start(port)
        await server.stop()
        server.properties |= {
            "listeners": f"{server.listeners},WAY://{LOOPBACK}:{port}",
            "advertised.listeners": f"PLAINTEXT://{server.bootstrap_servers},WAY://{LOOPBACK}:{self.way.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,WAY:PLAINTEXT",
        }
        await server.start()

    def goes_on(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Have something go on until `ends`."""
        self._going_on[name] = asyncio.create_task(work, name=name)

    async def ends(self, name: str) -> None:
        """End what goes on; raise what it has failed with."""
        task = self._going_on.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def stop(self) -> None:
        """End all that goes on, and what was started beside the workers."""
        for task in self._going_on.values():
            task.cancel()
        await asyncio.gather(*self._going_on.values(), return_exceptions=True)
        for worker in self.stage.workers.values():
            worker.signal(signal.SIGCONT)
        beside = (self.gateway.process, *self.beside.values())
        await asyncio.gather(self.way.stop(), *(process.stop() for process in beside))

    async def starved(self, *names: str, share: float, every_s: float = 0.5) -> None:
        """Let workers run for a share of the time alone, until the task is cancelled."""
        try:
            while True:
                for name in names:
                    self.stage.workers[name].signal(signal.SIGSTOP)
                await asyncio.sleep(every_s * (1 - share))
                for name in names:
                    self.stage.workers[name].signal(signal.SIGCONT)
                await asyncio.sleep(every_s * share)
        finally:
            for name in names:
                self.stage.workers[name].signal(signal.SIGCONT)

    async def orchestrated(self) -> None:
        """Start again what has ended, later each time until it has become ready."""
        pause_s: dict[str, float] = {}
        ended_s: dict[str, float] = {}
        first_s, last_s = FIRST_RESTART_S / self.shorter, LAST_RESTART_S / self.shorter
        while True:
            await asyncio.sleep(0.1)
            for name, worker in list(self.stage.workers.items()):
                if worker.returncode is None:
                    ended_s.pop(name, None)
                    if name in pause_s and ": ready" in worker.log_file.read_text(errors="replace"):
                        del pause_s[name]
                elif name not in self.kept_down:
                    wait_s = pause_s.get(name, first_s)
                    if time.monotonic() - ended_s.setdefault(name, time.monotonic()) >= wait_s:
                        say(f"  {name} ended with status {worker.returncode}: {worker.log_tail(1)}")
                        self.start(*name.rsplit("-", 1))
                        pause_s[name] = min(last_s, 2 * wait_s)


async def nothing(drill: Drill) -> None:
    """Nothing to do: the cause is gone by itself, and the window has to pass."""


async def announce_for_ever(drill: Drill, per_s: float, *, seconds: int = 2) -> None:
    """Announce tracks that share one piece of noise; the longer it is, the more an embedder has to do."""
    (sound,) = noises(drill.models, ["noise"], seconds=seconds)
    async with producing(drill.stage.stack) as producer:
        while True:
            track = sound.model_copy(update={"track_id": f"noise-{time.monotonic_ns()}"})
            await publish(producer, CATALOGUE.name, [(track.track_id.encode(), track.encode())])
            await asyncio.sleep(1 / per_s)


async def no_more_tracks(drill: Drill) -> None:
    await drill.ends("tracks")


@dataclass(frozen=True)
class Fault:
    """One fault, the alert that it is to raise, and the step that ends it."""

    what: str
    alert: str
    step: str
    make: Callable[[Drill], Awaitable[None]]
    mend: Callable[[Drill], Awaitable[None]]
    before: Callable[[Drill], Awaitable[None]] = nothing
    """What has to be there first, and is no part of the fault."""
    after: Callable[[Drill], Awaitable[None]] = nothing
    """What clears up once the alert is over."""
    shorter: int | None = None
    """What times are divided by, where not by what all are."""
    fires_within_s: float = 120.0
    lasts_s: float = 0.0
    """For so long the alert has to stay, without the step."""


def gateway_of(stage: Stage, port: int) -> GatewayProcess:
    """Start a gateway."""
    return GatewayProcess(stage.stack, stage.folder, PORT=port, TOKEN_REQUESTS_PER_MINUTE=100_000)


@asynccontextmanager
async def set_up(stage: Stage, shorter: int, others: Collection[int]) -> AsyncIterator[Drill]:
    """Start workers, page, gateway, exporter and one Prometheus for each divisor, and let events flow."""
    (stage.folder / "models").mkdir(parents=True)
    names = [f"{agent}-{instance}" for agent, instance in WORKERS]
    ports = {name: free_port() for name in [*names, "web", "redis", "gateway"]}
    rules = RULES.read_text()
    async with AsyncExitStack() as exits:
        redis = await exits.enter_async_context(connect(stage.stack.redis))
        drill = Drill(stage, shorter, ports, {}, redis, gateway_of(stage, ports["gateway"]))
        exits.push_async_callback(drill.stop)
        for instance in "01":
            drill.mount(instance)
        say("starting workers")
        await asyncio.gather(*(drill.back(*worker) for worker in WORKERS), drill.gateway.listens())
        drill.start_page()
        url = stage.stack.redis.url.get_secret_value()
        exporter = [
            program("prometheus-redis-exporter"),
            f"-redis.addr={url}",
            f"-web.listen-address=:{ports['redis']}",
        ]
        drill.beside["redis"] = ChildProcess.start("redis_exporter", exporter, stage.folder / "redis_exporter.log")
        for divisor in {shorter, *others}:
            folder = stage.folder / f"prometheus-{divisor}"
            server = prometheus(folder, targets(ports), shortened(rules, divisor))
            drill.watching[divisor] = await exits.enter_async_context(server)
        drill.goes_on("plays", drill.plays.flow(stage))
        drill.goes_on("orchestrator", drill.orchestrated())
        await asyncio.sleep(SETTLES_S)
        yield drill


def targets(ports: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the addresses of each job."""
    found: dict[str, list[str]] = {}
    for name, port in ports.items():
        found.setdefault(name.rpartition("-")[0] or name, []).append(f"{LOOPBACK}:{port}")
    return found
