"""The live page's process: its address, its headers, its figures beside a real agent, its end."""

import asyncio
import json
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import Worker
from probe import play, producing, publish_events

from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess

pytestmark = pytest.mark.kafka

DEADLINE_S = 60.0


@asynccontextmanager
async def web_process(stack: StackAddresses, folder: Path, *options: str) -> AsyncIterator[tuple[ChildProcess, str]]:
    """Run `musicrec web`; give the process and its address."""
    command = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", "0", *options]
    process = ChildProcess.start("web", command, folder / "web.log", stack.environment())
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (address := re.search(r"^http://\S+$", process.log_file.read_text(), re.MULTILINE)) is None:
                process.check_alive()
                await asyncio.sleep(0.05)
        yield process, address[0]
    finally:
        await process.stop()


async def board(client: ClientSession, address: str) -> Any:
    async with client.get(f"{address}board.json") as response:
        return await response.json()


async def test_a_play_that_the_session_agent_applied_is_on_the_board_and_nobody_is_behind(
    stack: StackAddresses, tmp_path: Path, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    async with web_process(stack, tmp_path) as (_, address), worker("session"), ClientSession() as client:
        async with asyncio.timeout(DEADLINE_S):
            while (await client.get(f"{address}readyz")).status != 200:
                await asyncio.sleep(0.05)
            async with producing(stack) as producer:
                await publish_events(producer, [play(user, "t1", 1), play(user, "t2", 2)])
            while user not in json.dumps(shown := await board(client, address)):
                await asyncio.sleep(0.05)
            card = next(card for card in shown["sessions"] if card["user"] == user)
            assert card["tracks"][-1]["title"] == "t1"
            while (await board(client, address))["figures"]["lag"]["session"] != 0:
                await asyncio.sleep(0.1)


async def test_every_answer_carries_the_policy_and_only_the_page_s_files_are_served(
    stack: StackAddresses, tmp_path: Path
) -> None:
    async with web_process(stack, tmp_path) as (_, address), ClientSession() as client:
        paths = ("", "static/page.js", "static/page.css", "board.json", "livez", "nothing-here", "static/../server.py")
        statuses = {}
        for path in paths:
            async with client.get(address + path) as response:
                statuses[path] = response.status
                assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
                assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert statuses == dict.fromkeys(paths[:-2], 200) | dict.fromkeys(paths[-2:], 404)


async def test_sigterm_ends_it_at_once_with_open_pages(stack: StackAddresses, tmp_path: Path) -> None:
    async with web_process(stack, tmp_path) as (process, address), ClientSession() as client:
        async with client.get(f"{address}events") as stream:
            assert await stream.content.readuntil(b"\n\n")
            process.signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                while await stream.content.read(65_536):
                    pass
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0


async def test_the_page_is_served_while_kafka_is_away_and_says_that_it_is_not_ready(
    stack: StackAddresses, tmp_path: Path
) -> None:
    async with (
        web_process(stack, tmp_path, "--kafka", "127.0.0.1:1") as (_, address),
        ClientSession() as client,
    ):
        async with client.get(address) as page, client.get(f"{address}livez") as alive:
            assert (page.status, alive.status) == (200, 200)
        async with client.get(f"{address}readyz") as ready:
            assert ready.status == 503
        async with asyncio.timeout(DEADLINE_S):
            while not (await board(client, address))["kafka_away"]:
                await asyncio.sleep(0.05)


async def test_a_port_in_use_is_named_with_the_way_out(stack: StackAddresses, tmp_path: Path) -> None:
    async with web_process(stack, tmp_path) as (_, address):
        port = address.rstrip("/").rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "musicrec.cli.main", "web", "--port", port, stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await second.communicate()
        assert second.returncode == 2
        assert f"127.0.0.1:{port}" in stderr.decode()
        assert "--port" in stderr.decode()
