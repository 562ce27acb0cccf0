"""Kafka and Valkey of a storm, each with a proxy before it for the workers, and the ways to harm them."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from musicrec.local import StackAddresses
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import KafkaSettings, RedisSettings
from storm.proxy import Proxy

NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
BACK_DEADLINE_S = 60.0


class Servers:
    """Both servers; publishers and the oracle go to them directly, the workers through the proxies."""

    def __init__(self, folder: Path) -> None:
        self.kafka = KafkaServer(folder / "kafka")
        self.valkey = ValkeyServer(folder / "valkey")
        self.kafka_proxy, self.redis_proxy = Proxy(), Proxy()

    async def start(self) -> None:
        """Start all four."""
        await self.kafka_proxy.start()
        await self.redis_proxy.start(self.valkey.port)
        behind_proxy = free_port()
        self.kafka_proxy.point_at(behind_proxy)
        self.kafka.properties = {
            "listeners": f"{self.kafka.listeners},PROXIED://{LOOPBACK}:{behind_proxy}",
            # Whoever comes through the proxy is told to come through the proxy again.
            "advertised.listeners": (
                f"PLAINTEXT://{self.kafka.bootstrap_servers},PROXIED://{LOOPBACK}:{self.kafka_proxy.port}"
            ),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            # One clock for all that is measured between topics.
            "log.message.timestamp.type": "LogAppendTime",
        }
        await asyncio.gather(self.kafka.start(), self.valkey.start())

    async def stop(self) -> None:
        """Stop all four."""
        await asyncio.gather(self.kafka.stop(), self.valkey.stop())
        await asyncio.gather(self.kafka_proxy.stop(), self.redis_proxy.stop())

    @property
    def direct(self) -> StackAddresses:
        """Where nothing stands between."""
        return _addresses(self.kafka.bootstrap_servers, self.valkey.url)

    @property
    def proxied(self) -> StackAddresses:
        """Where the workers go."""
        url = self.valkey.url.replace(str(self.valkey.port), str(self.redis_proxy.port))
        return _addresses(f"{LOOPBACK}:{self.kafka_proxy.port}", url)

    async def kill_and_restart(self, server: KafkaServer | ValkeyServer, away_s: float) -> None:
        """kill -9, and start again after a while."""
        server.process.signal(signal.SIGKILL)
        await server.process.wait()
        await asyncio.sleep(away_s)
        await server.start()

    async def stop_and_restart(self, server: KafkaServer | ValkeyServer, away_s: float) -> None:
        """Stop in order, and start again after a while."""
        await server.stop()
        await asyncio.sleep(away_s)
        await server.start()

    async def suspend(self, server: KafkaServer | ValkeyServer, for_s: float) -> None:
        """Have the server stand still: connections stay open and nothing answers."""
        server.process.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            server.process.signal(signal.SIGCONT)

    async def fill_redis(self, for_s: float) -> None:
        """Have Redis refuse what needs memory."""
        async with self._configured("maxmemory", "1mb", "0"):
            await asyncio.sleep(for_s)

    async def make_redis_read_only(self, for_s: float) -> None:
        """Make Redis the replica of a server that is not there, as after a fail-over that went wrong."""
        async with self.redis() as redis:
            await redis.execute_command("REPLICAOF", LOOPBACK, "1")
            await asyncio.sleep(for_s)
            await redis.execute_command("REPLICAOF", "NO", "ONE")

    async def fill_redis_disk(self, for_s: float) -> None:
        """Let no file of Redis grow: it goes on answering reads and refuses writes."""
        largest = max(file.stat().st_size for file in self.valkey.folder.rglob("*.aof"))
        pid = self.valkey.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        await asyncio.sleep(for_s)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, NO_LIMIT)
        await self._until_redis_writes()

    async def fill_kafka_disk(self, for_s: float) -> None:
        """Let no file of Kafka grow; it gives up its only disk and ends.  Start it again with room."""
        resource.prlimit(self.kafka.process.pid, resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.kafka.process.wait(), for_s)
        if self.kafka.process.returncode is None:
            self.kafka.process.signal(signal.SIGKILL)
            await self.kafka.process.wait()
        await self.kafka.start()

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """Give a client that goes there directly."""
        async with Redis.from_url(self.valkey.url, socket_timeout=5.0) as redis:
            yield redis

    @asynccontextmanager
    async def _configured(self, name: str, value: str, again: str) -> AsyncIterator[None]:
        async with self.redis() as redis:
            await redis.config_set(name, value)
            try:
                yield
            finally:
                await redis.config_set(name, again)

    async def _until_redis_writes(self) -> None:
        async with asyncio.timeout(BACK_DEADLINE_S), self.redis() as redis:
            while True:
                with suppress(RedisError):
                    await redis.set("storm", "", px=1)
                    return
                await asyncio.sleep(0.2)


def _addresses(bootstrap_servers: str, url: str) -> StackAddresses:
    return StackAddresses(
        KafkaSettings(bootstrap_servers=bootstrap_servers), RedisSettings.model_validate({"url": url})
    )
