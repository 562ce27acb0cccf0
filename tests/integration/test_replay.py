"""`musicrec replay` as a process on a real Kafka."""

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from probe import reading

from musicrec.contracts import ListenEvent
from musicrec.importers import Listen, in_time_order
from musicrec.importers.event_file import record_writer, write_records
from musicrec.local import StackAddresses
from musicrec.topics import LISTENS

pytestmark = pytest.mark.kafka

NOON_MS = 1_600_000_000_000


def write_log(path: Path, count: int, listeners: int = 5) -> list[ListenEvent]:
    run = uuid.uuid4().hex
    events = list(
        in_time_order(Listen(f"{run} {n % listeners}", NOON_MS + n * 1_000, 1_000, f"t{n}") for n in range(count))
    )
    with record_writer(path) as stream:
        write_records(events, stream)
    return events


@asynccontextmanager
async def replaying(stack: StackAddresses, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", "musicrec.cli.main", "replay", *arguments, "--json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--kafka",
        stack.kafka.bootstrap_servers,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def result_of(process: asyncio.subprocess.Process) -> tuple[int, dict[str, Any], str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, json.loads(out.decode().splitlines()[-1]), err.decode()


async def test_every_event_arrives_once_in_order_on_its_listeners_partition(
    stack: StackAddresses, tmp_path: Path
) -> None:
    events = write_log(tmp_path / "log.jsonl", 2_000)

    async with reading(stack, LISTENS.name) as tail:
        async with replaying(stack, str(tmp_path / "log.jsonl")) as process:
            status, result, _ = await result_of(process)
        await tail.until(lambda t: len(t.on(LISTENS.name)) >= len(events))

    assert (status, result["delivered"], result["stopped"]) == (0, 2_000, False)
    for user in {event.user_id for event in events}:
        own = [record for record in tail.records if record.key == user.encode()]
        assert [ListenEvent.decode(record.value) for record in own] == [e for e in events if e.user_id == user]
        assert {record.partition for record in own} == {(murmur2(user.encode()) & 0x7FFFFFFF) % LISTENS.partitions}


async def test_a_replay_stopped_by_ctrl_c_goes_on_where_it_says(stack: StackAddresses, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    events = write_log(log, 600)

    async with reading(stack, LISTENS.name) as tail:
        async with replaying(stack, str(log), "--rate", "100") as process:
            await tail.until(lambda t: len(t.on(LISTENS.name)) >= 20)
            process.send_signal(signal.SIGINT)
            status, first, said = await result_of(process)
        async with replaying(stack, str(log), "--skip", str(first["next_skip"])) as process:
            _, second, _ = await result_of(process)
        await tail.until(lambda t: len(t.on(LISTENS.name)) >= len(events))
        await tail.quiet()

    assert status == 130
    assert first["stopped"] is True
    assert f"go on with --skip {first['next_skip']}" in said
    assert 20 <= first["delivered"] < 600
    assert first["delivered"] + second["delivered"] == 600
    assert sorted(ListenEvent.decode(record.value).event_id for record in tail.records) == sorted(
        event.event_id for event in events
    )
