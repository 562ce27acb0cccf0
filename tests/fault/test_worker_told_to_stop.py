"""SIGTERM in the middle of work, and once more while it stops."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import Worker, start_worker, until_ready
from history import assert_each_applied_once, assert_states_hold_each_once, triggers
from probe import about, play, producing, publish_events, reading

from musicrec.local import StackAddresses

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

SESSIONS = "musicrec.sessions.v1"
LISTENERS, EVENTS_EACH = 20, 100


@pytest.mark.row(11)
async def test_worker_that_is_told_twice_ends_once_and_the_next_one_does_the_rest(
    stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    users = [f"{uuid.uuid4().hex[:8]}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{n % 7}", n) for n in range(EVENTS_EACH) for user in users]
    told = start_worker(stack, tmp_path, "session", "told", MUSICREC_AGENT__MAX_BATCH="20")
    async with reading(stack, SESSIONS, only=about(*users)) as tail, producing(stack) as producer:
        await until_ready(told)
        publishing = asyncio.create_task(publish_events(producer, events))
        await tail.until(lambda t: bool(t.records))
        told.signal(signal.SIGTERM)
        told.signal(signal.SIGINT)
        told.signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await told.wait() == 0
        await publishing
        assert "Traceback" not in told.log_file.read_text()
        async with worker("session"):
            await tail.until(lambda t: len(triggers(t.records)) == len(events))
            await tail.quiet()
    assert_each_applied_once(events, tail.records)
    await assert_states_hold_each_once(stack, events)
