"""kill -9 of a session worker in mid-stream: nothing lost, nothing applied twice."""

import asyncio
import random
import signal
import uuid
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from history import assert_each_applied_once, assert_states_hold_each_once, summary, triggers
from probe import Tail, about, play, producing, publish, reading

from musicrec.contracts import DeadLetter
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LISTENS, SESSIONS, DEAD = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.listens.v1.dlq"
LISTENERS, EVENTS_EACH, BAD = 40, 50, 60


@pytest.mark.row(10, 12)
async def test_nothing_is_lost_or_applied_twice_when_workers_are_killed(stack: StackAddresses, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    events = [play(f"{run}-{user}", f"t{n % 7}", n) for n in range(EVENTS_EACH) for user in range(LISTENERS)]
    junk_key = f"junk {run}"
    junk = [(junk_key.encode(), f"{junk_key} {number}".encode()) for number in range(BAD)]
    mine = about(junk_key, *(f"{run}-{user}" for user in range(LISTENERS)))
    workers = {name: start_worker(stack, tmp_path, "session", name) for name in ("a", "b")}
    async with reading(stack, SESSIONS, DEAD, only=mine) as tail, producing(stack) as producer:
        await asyncio.gather(*map(until_ready, workers.values()))

        async def storm() -> None:
            for victim in ("a", "b", "a"):
                await asyncio.sleep(1.5)
                workers[victim].signal(signal.SIGKILL)
                await workers[victim].wait()
                workers[victim] = start_worker(stack, tmp_path, "session", victim)

        killing = asyncio.create_task(storm())
        rest = list(junk)
        random.Random(7).shuffle(rest)
        for start in range(0, len(events), 100):
            batch = [(e.user_id.encode(), e.encode()) for e in events[start : start + 100]]
            await publish(producer, LISTENS, batch + [rest.pop() for _ in range(min(3, len(rest)))])
            await asyncio.sleep(0.25)
        await killing

        def complete(t: Tail) -> bool:
            return len(triggers(t.on(SESSIONS))) == len(events) and len(letters(t)) == BAD

        await tail.until(complete, deadline_s=90)
        await tail.quiet()
        await asyncio.gather(*(process.stop() for process in workers.values()))
    print(summary(len(events) + len(junk), tail.on(SESSIONS), tail.on(DEAD)))
    assert_each_applied_once(events, tail.on(SESSIONS))
    assert letters(tail).keys() == {value for _, value in junk}
    assert {letter.reason for letter in letters(tail).values()} == {DeadLetterReason.MALFORMED}
    await assert_states_hold_each_once(stack, events)


def letters(tail: Tail) -> dict[bytes, DeadLetter]:
    return {record.value: DeadLetter.from_headers(list(record.headers)) for record in tail.on(DEAD)}
