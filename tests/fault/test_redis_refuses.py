"""Redis answers, and refuses: out of memory, read-only.  The worker says what Redis says, and goes on afterwards."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from history import assert_each_applied_once, assert_states_hold_each_once
from probe import about, play, producing, publish_events, reading
from pydantic import SecretStr
from redis.asyncio import Redis

from musicrec.local import StackAddresses
from musicrec.local.free_port import free_port
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import RedisSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

SESSIONS = "musicrec.sessions.v1"


async def fill_the_memory(redis: Redis) -> None:
    await redis.config_set("maxmemory", "1")


async def free_the_memory(redis: Redis) -> None:
    await redis.config_set("maxmemory", "0")


async def demote(redis: Redis) -> None:
    await redis.execute_command("REPLICAOF", "127.0.0.1", free_port())


async def promote(redis: Redis) -> None:
    await redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.row(9)
@pytest.mark.parametrize(
    ("break_it", "mend_it", "says"),
    [
        (fill_the_memory, free_the_memory, "command not allowed when used memory > 'maxmemory'"),
        (demote, promote, "You can't write against a read only replica"),
    ],
    ids=["out of memory", "read-only"],
)
async def test_what_redis_refuses_is_said_and_applied_once_when_it_takes_it(
    break_it: Callable[[Redis], Awaitable[None]],
    mend_it: Callable[[Redis], Awaitable[None]],
    says: str,
    stack: StackAddresses,
    tmp_path: Path,
) -> None:
    user = f"listener {uuid.uuid4()}"
    before, refused = play(user, "before", 1), [play(user, f"t{number}", number) for number in range(2, 5)]
    valkey = ValkeyServer(tmp_path / "valkey")
    await valkey.start()
    servers = StackAddresses(stack.kafka, RedisSettings(url=SecretStr(valkey.url)))
    worker = start_worker(servers, tmp_path, "session")
    try:
        async with (
            Redis.from_url(valkey.url) as redis,
            reading(stack, SESSIONS, only=about(user)) as tail,
            producing(stack) as producer,
        ):
            await until_ready(worker)
            await publish_events(producer, [before])
            await tail.until(lambda t: len(t.records) == 1)
            await break_it(redis)
            await publish_events(producer, refused)
            async with asyncio.timeout(30):
                while f"session: Redis does not take the sessions: {says}" not in worker.log_file.read_text():
                    await asyncio.sleep(0.05)
            assert user not in worker.log_file.read_text()
            await mend_it(redis)
            async with asyncio.timeout(30):
                while await redis.hget(f"musicrec:session:{user}", "revision") != b"4":  # type: ignore[misc]
                    await asyncio.sleep(0.05)
            await tail.quiet()
        worker.check_alive()
        assert_each_applied_once([before, *refused], tail.records)
        await assert_states_hold_each_once(servers, [before, *refused])
    finally:
        await worker.stop()
        await valkey.stop()
