"""A TCP proxy before a server: slow, cut, or silent in one direction when it is told to be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOOPBACK = "127.0.0.1"
BLOCK_BYTES = 65_536


class Proxy:
    """Passes on what comes, both ways; its address stays while the server behind it comes and goes."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        """Each block is passed on so much later."""
        self.mute = False
        """Whether answers vanish: what was asked is done, and nobody hears of it."""
        self._target = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, target_port: int = 0) -> None:
        """Listen; the target may become known later."""
        self._target = target_port
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def point_at(self, port: int) -> None:
        """Have new connections go to a port."""
        self._target = port

    def cut(self) -> None:
        """Break all connections now."""
        for writer in self._connections:
            writer.transport.abort()

    async def stop(self) -> None:
        """Break all connections and listen no more."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            answers, server = await asyncio.open_connection(LOOPBACK, self._target)
            self._connections.add(server)
            try:
                ways = (self._pass_on(reader, server, False), self._pass_on(answers, writer, True))
                await asyncio.gather(*ways)
            finally:
                self._connections.discard(server)
                server.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone; so is the other then
        finally:
            self._connections.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        while block := await reader.read(BLOCK_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if is_answer and self.mute:
                continue
            writer.write(block)
            await writer.drain()
        raise ConnectionResetError  # a half-closed connection is of no use to Kafka or Redis

    @asynccontextmanager
    async def muted(self) -> AsyncIterator[None]:
        """Lose all answers within; then break the connections, whose streams have holes."""
        self.mute = True
        try:
            yield
        finally:
            self.cut()
            self.mute = False
