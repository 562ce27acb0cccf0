"""The proxy passes on, delays, loses answers and breaks connections, each when it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from storm.proxy import Proxy

GREETING = b"hello"


@pytest.fixture
async def heard() -> list[bytes]:
    return []


@pytest.fixture
async def proxy(heard: list[bytes]) -> AsyncIterator[Proxy]:
    """A proxy before a server that answers whatever it hears."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(100):
            heard.append(block)
            writer.write(block)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    before = Proxy()
    await before.start(server.sockets[0].getsockname()[1])
    yield before
    await before.stop()
    server.close()


async def answer_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GREETING)
    async with asyncio.timeout(5):
        return await reader.read(100)


async def test_what_is_said_and_answered_comes_through_and_later_when_slow(proxy: Proxy) -> None:
    connection = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await answer_of(*connection) == GREETING

    proxy.delay_s = 0.1
    began_s = time.monotonic()
    assert await answer_of(*connection) == GREETING
    assert time.monotonic() - began_s >= 0.2


async def test_a_cut_breaks_connections_and_new_ones_work(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await answer_of(reader, writer) == GREETING
    proxy.cut()
    assert await reader.read(1) == b""

    assert await answer_of(*await asyncio.open_connection("127.0.0.1", proxy.port)) == GREETING


async def test_muted_what_is_asked_arrives_and_the_answer_does_not(proxy: Proxy, heard: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with proxy.muted():
        writer.write(GREETING)
        while not heard:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    assert await reader.read(1) == b""

    assert await answer_of(*await asyncio.open_connection("127.0.0.1", proxy.port)) == GREETING
