"""The live page on the real broker, served within a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from musicrec.local import StackAddresses
from musicrec.settings import Settings, WebSettings
from streams.web.server import serve

DEADLINE_S = 30.0


@asynccontextmanager
async def serving(stack: StackAddresses, port: int = 0, **settings: Any) -> AsyncIterator[str]:
    """Serve the page until the end of the block; gives its address once it follows the topics."""
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chosen = Settings(kafka=stack.kafka, web=WebSettings(port=port, **settings))
    server = asyncio.create_task(serve(chosen, on_address=address.set_result, stop=stop))
    try:
        await asyncio.wait([server, address], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        await _until_ready(address.result())
        yield address.result()
    finally:
        stop.set()
        await server


async def _until_ready(url: str) -> None:
    async with ClientSession() as client, asyncio.timeout(DEADLINE_S):
        while True:
            async with client.get(f"{url}readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)
