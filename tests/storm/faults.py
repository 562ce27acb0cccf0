"""How each fault of a schedule is done."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from storm.clock import now_ms
from storm.proxy import Proxy
from storm.schedule import KAFKA, KINDS, REDIS, Action, Fault
from storm.servers import Servers
from storm.stalls import Window
from storm.workers import Slot, Workers

FEWEST, MOST = 1, 4
"""Workers of a kind."""


class Faults:
    """Does what a schedule says, to these servers and workers."""

    def __init__(self, servers: Servers, workers: Workers) -> None:
        self._workers = workers
        self._held = {KAFKA: asyncio.Lock(), REDIS: asyncio.Lock()}
        self.bursts: set[Fault] = set()
        """Faults of the traffic that are on."""
        self.windows: list[Window] = []
        """What was done."""
        kafka, valkey = servers.kafka, servers.valkey
        self._ways: Final[dict[Fault, Callable[[Action], Awaitable[str | None]]]] = {
            Fault.WORKER_KILLED: self._signal(signal.SIGKILL),
            Fault.WORKER_STOPPED: self._signal(signal.SIGTERM),
            Fault.WORKER_STOPPED_TWICE: self._signal(signal.SIGTERM, signal.SIGTERM),
            Fault.WORKER_SUSPENDED: self._suspend_worker,
            Fault.ALL_OF_A_KIND_KILLED: self._kill_all,
            Fault.SCALED_UP: self._scale_up,
            Fault.SCALED_DOWN: self._scale_down,
            Fault.SNAPSHOT_DAMAGED: self._damage_snapshot,
            Fault.KAFKA_KILLED: lambda action: servers.kill_and_restart(kafka, action.lasts_s),
            Fault.KAFKA_RESTARTED: lambda action: servers.stop_and_restart(kafka, action.lasts_s),
            Fault.KAFKA_SUSPENDED: lambda action: servers.suspend(kafka, action.lasts_s),
            Fault.KAFKA_SLOW: lambda action: self._slow(servers.kafka_proxy, action),
            Fault.KAFKA_CUT: lambda action: self._cut(servers.kafka_proxy, action),
            Fault.KAFKA_MUTE: lambda action: self._mute(servers.kafka_proxy, action),
            Fault.KAFKA_DISK_FULL: lambda action: servers.fill_kafka_disk(action.lasts_s),
            Fault.REDIS_KILLED: lambda action: servers.kill_and_restart(valkey, action.lasts_s),
            Fault.REDIS_RESTARTED: lambda action: servers.stop_and_restart(valkey, action.lasts_s),
            Fault.REDIS_SUSPENDED: lambda action: servers.suspend(valkey, action.lasts_s),
            Fault.REDIS_SLOW: lambda action: self._slow(servers.redis_proxy, action),
            Fault.REDIS_CUT: lambda action: self._cut(servers.redis_proxy, action),
            Fault.REDIS_MUTE: lambda action: self._mute(servers.redis_proxy, action),
            Fault.REDIS_FULL: lambda action: servers.fill_redis(action.lasts_s),
            Fault.REDIS_READ_ONLY: lambda action: servers.make_redis_read_only(action.lasts_s),
            Fault.REDIS_DISK_FULL: lambda action: servers.fill_redis_disk(action.lasts_s),
        }

    async def do(self, action: Action) -> None:
        """Do one action, and note it when it is over."""
        server = KINDS[action.fault].holds
        # A server can take longer to come back than the schedule thought.
        async with self._held[server] if server else nullcontext():
            began_ms = now_ms()
            whom = await self._ways.get(action.fault, self._burst)(action)
            self.windows.append(Window(action.fault, began_ms, now_ms(), whom or ""))

    async def _burst(self, action: Action) -> None:
        self.bursts.add(action.fault)
        try:
            await asyncio.sleep(action.lasts_s)
        finally:
            self.bursts.discard(action.fault)

    def _kind(self, action: Action) -> str:
        return self._workers.kind(action.agent)

    def _victim(self, action: Action) -> Slot:
        running = self._workers.running(self._kind(action))
        return running[action.draw % len(running)]

    def _signal(self, *numbers: int) -> Callable[[Action], Awaitable[str]]:
        async def do(action: Action) -> str:
            victim = self._victim(action)
            for number in numbers:
                victim.signal(number)
                await asyncio.sleep(0.2)
            return victim.name

        return do

    async def _suspend_worker(self, action: Action) -> str:
        victim = self._victim(action)
        process = victim.process
        if process is None:
            return "nobody: it has just ended"
        process.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(action.lasts_s)
        finally:
            process.signal(signal.SIGCONT)
        return victim.name

    async def _kill_all(self, action: Action) -> None:
        for slot in self._workers.running(self._kind(action)):
            slot.signal(signal.SIGKILL)

    async def _scale_up(self, action: Action) -> str:
        if len(self._workers.running(self._kind(action))) >= (MOST if action.agent != "embedder" else 2):
            return "nobody: there are enough"
        return self._workers.add(self._kind(action)).name

    async def _scale_down(self, action: Action) -> str:
        if len(self._workers.running(self._kind(action))) <= FEWEST:
            return "nobody: it is the only one"
        victim = self._victim(action)
        victim.wanted = False
        victim.signal(signal.SIGTERM)
        return victim.name

    async def _damage_snapshot(self, action: Action) -> str:
        """Change one byte of a ranking worker's newest snapshot, or cut a file short, while the worker is away."""
        slot = self._victim(action)
        slot.hold = True
        try:
            slot.signal(signal.SIGKILL)
            await asyncio.sleep(0.3)
            newest = max(slot.data_dir.glob("ranking/*/snapshot-*"), default=None)
            damaged = "none yet" if newest is None else damage(newest, random.Random(action.draw)).name
        finally:
            slot.hold = False
        return f"{slot.name}: {damaged}"

    async def _slow(self, proxy: Proxy, action: Action) -> None:
        proxy.delay_s = random.Random(action.draw).uniform(0.02, 0.3)
        try:
            await asyncio.sleep(action.lasts_s)
        finally:
            proxy.delay_s = 0.0

    async def _cut(self, proxy: Proxy, action: Action) -> None:
        draw = random.Random(action.draw)
        end_s = time.monotonic() + action.lasts_s
        while time.monotonic() < end_s:
            proxy.cut()
            await asyncio.sleep(draw.uniform(0.1, 1.5))

    async def _mute(self, proxy: Proxy, action: Action) -> None:
        async with proxy.muted():
            await asyncio.sleep(action.lasts_s)


def damage(snapshot: Path, draw: random.Random) -> Path:
    """Damage one file of a snapshot; return it."""
    file = draw.choice(sorted(path for path in snapshot.iterdir() if path.stat().st_size > 0))
    content = bytearray(file.read_bytes())
    if draw.random() < 0.5:
        del content[draw.randrange(len(content)) :]
    else:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    return file
