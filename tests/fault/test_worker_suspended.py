"""A worker that is suspended beyond its session timeout, as a paused machine is, and wakes up as if nothing were."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from history import assert_each_applied_once, assert_states_hold_each_once, summary, triggers
from probe import about, play, producing, publish_events, reading

from musicrec.local import StackAddresses

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

SESSIONS = "musicrec.sessions.v1"
LISTENERS, EVENTS_EACH = 20, 60
SESSION_TIMEOUT_S = 3.0


@pytest.mark.row(4, 11, 12)
async def test_what_a_suspended_worker_held_is_done_by_another_and_not_again_by_itself(
    stack: StackAddresses, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{n % 7}", n) for n in range(EVENTS_EACH) for user in users]
    impatient = {"MUSICREC_AGENT__SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S)}
    workers = [start_worker(stack, tmp_path, "session", name, **impatient) for name in ("a", "b")]
    try:
        async with reading(stack, SESSIONS, only=about(*users)) as tail, producing(stack) as producer:
            await asyncio.gather(*map(until_ready, workers))

            async def suspend() -> None:
                await asyncio.sleep(1.0)
                workers[0].signal(signal.SIGSTOP)
                await asyncio.sleep(3 * SESSION_TIMEOUT_S)
                workers[0].signal(signal.SIGCONT)

            suspending = asyncio.create_task(suspend())
            for start in range(0, len(events), LISTENERS):
                await publish_events(producer, events[start : start + LISTENERS])
                await asyncio.sleep(0.2)
            await suspending
            await tail.until(lambda t: len(triggers(t.records)) >= len(events), deadline_s=90)
            await tail.quiet()
        print(summary(len(events), tail.records))
        for worker in workers:
            worker.check_alive()
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
    assert_each_applied_once(events, tail.records)
    await assert_states_hold_each_once(stack, events)
