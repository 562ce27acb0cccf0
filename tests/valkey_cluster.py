"""A real cluster: three nodes that hold a third of the keys each, and a replica of each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from conftest import skip_or_fail
from pydantic import SecretStr
from redis.asyncio import Redis

from musicrec.access import Service
from musicrec.documents.access_lists import redis_rules
from musicrec.errors import MusicrecError
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import RedisSettings

SLOTS, NODES = 16_384, 3
PASSWORD = "secret"
NODE_TIMEOUT_MS = 2_000
"""After which the others take a node for dead and its replica takes over."""


class ValkeyCluster:
    """The nodes; `primaries[n]` is followed by `replicas[n]`."""

    def __init__(self, folder: Path) -> None:
        self.primaries = [ValkeyServer(folder / f"primary-{number}") for number in range(NODES)]
        self.replicas = [ValkeyServer(folder / f"replica-{number}") for number in range(NODES)]
        for server in self.servers:
            server.options = {
                "cluster-enabled": "yes",
                "cluster-port": str(free_port()),
                "cluster-node-timeout": str(NODE_TIMEOUT_MS),
                "cluster-replica-validity-factor": "0",
                "repl-diskless-sync-delay": "0",
            }

    @property
    def servers(self) -> list[ValkeyServer]:
        return [*self.primaries, *self.replicas]

    @property
    def settings(self) -> RedisSettings:
        return RedisSettings(url=SecretStr(self.primaries[0].url), cluster=True)

    async def start(self) -> None:
        await asyncio.gather(*(server.start() for server in self.servers))
        for number, server in enumerate(self.primaries):
            first, last = number * SLOTS // NODES, (number + 1) * SLOTS // NODES - 1
            await self.say(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        first_server, *others = self.servers
        for server in others:
            await self.say(first_server, "CLUSTER", "MEET", LOOPBACK, server.port, int(server.options["cluster-port"]))
        await self._until("cluster_known_nodes:6")
        for primary, replica in zip(self.primaries, self.replicas, strict=True):
            name = (await self.say(primary, "CLUSTER", "MYID")).decode()
            await self.say(replica, "CLUSTER", "REPLICATE", name)
        await self._until("cluster_state:ok")
        for primary in self.primaries:
            async with asyncio.timeout(60):
                while b"connected_slaves:1" not in await self.say(primary, "INFO", "replication", raw=True):
                    await asyncio.sleep(0.1)

    async def let_in(self, service: Service) -> str:
        """Make a service's user on every node, with the rights of the table; return its URL."""
        assert service.redis is not None
        rules = ["reset", "on", f">{PASSWORD}", *redis_rules(service.redis).split()]
        for server in self.servers:
            await self.say(server, "ACL", "SETUSER", service.user, *rules)
        return self.primaries[0].url.replace("redis://", f"redis://{service.user}:{PASSWORD}@")

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers))

    async def say(self, server: ValkeyServer, *words: object, raw: bool = False) -> bytes:
        async with Redis.from_url(server.url) as client:
            if raw:
                client.set_response_callback("INFO", lambda answer: answer)
            answer: bytes = await client.execute_command(*words)
            return answer

    async def _until(self, line: str) -> None:
        async with asyncio.timeout(60):
            for server in self.servers:
                while line not in await self._info(server):
                    await asyncio.sleep(0.1)

    async def _info(self, server: ValkeyServer) -> str:
        async with Redis.from_url(server.url) as client:
            client.set_response_callback("CLUSTER INFO", lambda answer: answer)
            return (await client.execute_command("CLUSTER INFO")).decode()


@asynccontextmanager
async def valkey_cluster(folder: Path) -> AsyncIterator[ValkeyCluster]:
    """Give a running cluster."""
    cluster = ValkeyCluster(folder)
    try:
        await cluster.start()
    except MusicrecError as error:
        skip_or_fail(f"no Valkey: {error}")
    try:
        yield cluster
    finally:
        await cluster.stop()
