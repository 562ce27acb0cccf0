"""kill -9 of session and ranking workers in mid-stream: every applied event is answered, by one list id."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from history import answers, assert_each_list_answers_one_event, summary, triggers
from probe import about, play, producing, publish_events, reading

from musicrec.local import StackAddresses

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

SESSIONS, LISTS = "musicrec.sessions.v1", "musicrec.recommendations.v1"
LISTENERS, EVENTS_EACH = 40, 30


@pytest.mark.row(10)
async def test_every_applied_event_is_answered_once_when_workers_are_killed(
    stack: StackAddresses, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    events = [play(f"{run}-{user}", f"t{(n * user) % 50}", n) for n in range(EVENTS_EACH) for user in range(LISTENERS)]
    workers = {agent: start_worker(stack, tmp_path, agent) for agent in ("session", "ranking")}
    mine = about(*(f"{run}-{user}" for user in range(LISTENERS)))
    async with reading(stack, SESSIONS, LISTS, only=mine) as tail, producing(stack) as producer:
        await asyncio.gather(*map(until_ready, workers.values()))

        async def storm() -> None:
            for victim in ("ranking", "session", "ranking"):
                await asyncio.sleep(1.0)
                workers[victim].signal(signal.SIGKILL)
                await workers[victim].wait()
                workers[victim] = start_worker(stack, tmp_path, victim)

        killing = asyncio.create_task(storm())
        for start in range(0, len(events), 60):
            await publish_events(producer, events[start : start + 60])
            await asyncio.sleep(0.2)
        await killing
        wanted = {event.event_id for event in events}
        await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=100)
        await tail.quiet()
        await asyncio.gather(*(process.stop() for process in workers.values()))
    print(summary(len(events), tail.on(SESSIONS), lists=tail.on(LISTS)))
    assert set(triggers(tail.on(SESSIONS))) == wanted
    assert_each_list_answers_one_event(tail.on(LISTS))
