"""kill -9 of a session worker in mid-stream: nothing lost, nothing applied twice."""

import asyncio
import random
import signal
import uuid
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from probe import play, producing, publish, reading
from redis.asyncio import Redis

from musicrec.contracts import DeadLetter, ListenEvent, SessionSnapshot
from musicrec.local import StackAddresses
from musicrec.session import ListenerState

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LISTENS, SESSIONS, DEAD = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.listens.v1.dlq"
LISTENERS, EVENTS_EACH, BAD = 40, 50, 60


async def test_nothing_is_lost_or_applied_twice_when_workers_are_killed(stack: StackAddresses, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    events = [play(f"{run}-{user}", f"t{n % 7}", n) for n in range(EVENTS_EACH) for user in range(LISTENERS)]
    junk = [(b"junk", f"junk {run} {number}".encode()) for number in range(BAD)]
    workers = {name: start_worker(stack, tmp_path, "session", name) for name in ("a", "b")}
    async with reading(stack, SESSIONS, DEAD) as tail, producing(stack) as producer:
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

        def complete(t: object) -> bool:
            return len(_revisions(tail.on(SESSIONS), run)) == len(events) and len(_letters(tail.on(DEAD))) >= BAD

        await tail.until(complete, deadline_s=90)
        await tail.quiet()
        await asyncio.gather(*(process.stop() for process in workers.values()))
    _check_history(events, tail.on(SESSIONS), run)
    assert set(_letters(tail.on(DEAD))) == {value for _, value in junk}
    await _check_states(stack, events)


def _revisions(records: list, run: str) -> dict[tuple[str, int], list[SessionSnapshot]]:  # type: ignore[type-arg]
    found: dict[tuple[str, int], list[SessionSnapshot]] = defaultdict(list)
    for record in records:
        if record.key.startswith(run.encode()):
            snapshot = SessionSnapshot.decode(record.value)
            found[snapshot.user_id, snapshot.revision].append(snapshot)
    return found


def _letters(records: list) -> dict[bytes, DeadLetter]:  # type: ignore[type-arg]
    return {record.value: DeadLetter.from_headers(list(record.headers)) for record in records}


def _check_history(events: list[ListenEvent], records: list, run: str) -> None:  # type: ignore[type-arg]
    revisions = _revisions(records, run)
    for (user, revision), emitted in revisions.items():
        assert all(again == emitted[0] for again in emitted), f"{user} {revision}: emitted twice with other contents"
    triggers = [emitted[0].trigger.event_id for emitted in revisions.values()]
    assert sorted(triggers) == sorted(event.event_id for event in events)


async def _check_states(stack: StackAddresses, events: list[ListenEvent]) -> None:
    async with Redis.from_url(stack.redis.url.get_secret_value()) as redis:
        for user in {event.user_id for event in events}:
            state = ListenerState.decode(await redis.hget(f"musicrec:session:{user}", "state"))  # type: ignore[misc, arg-type]
            assert state.revision == EVENTS_EACH
            kept = [event.event_id for event in state.events]
            assert len(kept) == len(set(kept))
