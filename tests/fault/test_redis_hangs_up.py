"""A server, or a load balancer before it, that hangs up at any moment is away, and no message is at fault."""

import asyncio
import random
import threading
from collections.abc import Iterator

import pytest
import uvloop

from musicrec.errors import Unavailable
from musicrec.ids import UserId
from musicrec.settings import RedisSettings
from streams.redis_connection import connect
from streams.session_store import SessionStore

CLIENTS, TRIES = 20, 100


@pytest.fixture
def rude_server() -> Iterator[int]:
    """Give the port of a server, in a thread of its own, that hangs up a moment after it was called."""
    ports: list[int] = []
    up, done = threading.Event(), threading.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(random.choice((0, 0, 0.0001, 0.0005, 0.001)))
        writer.transport.abort()

    async def serve() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            ports.append(server.sockets[0].getsockname()[1])
            up.set()
            while not done.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    up.wait()
    yield ports[0]
    done.set()
    thread.join()


@pytest.mark.row(6)
def test_whatever_the_client_raises_redis_is_unavailable(rude_server: int) -> None:
    async def load() -> None:
        client = connect(RedisSettings.model_validate({"url": f"redis://127.0.0.1:{rude_server}/0"}))
        store = SessionStore(client, ttl_ms=1_000)

        async def one() -> None:
            for _ in range(TRIES):
                with pytest.raises(Unavailable):
                    await store.load([UserId("ada")])

        await asyncio.gather(*(one() for _ in range(CLIENTS)))
        await client.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as workers have it
        runner.run(load())
