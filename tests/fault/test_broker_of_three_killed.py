"""kill -9 of one broker of three under traffic: listeners are answered on, and nothing is lost or applied twice."""

import asyncio
import signal
import time
import uuid
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from kafka_cluster import three_brokers
from probe import about, play, reading

from musicrec.client import AsyncClient
from musicrec.local import EmbeddedStack
from streams.topic_admin import found_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]

SESSIONS, LISTS, LISTENS = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.listens.v1"
LISTENERS, EVENTS_EACH = 20, 20


@pytest.mark.row(1, 2)
async def test_one_broker_of_three_may_be_killed_and_come_back(tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{(n * i) % 50}", n) for n in range(EVENTS_EACH) for i, user in enumerate(users)]
    async with three_brokers(tmp_path) as cluster:
        servers = EmbeddedStack(tmp_path / "stack", kafka=cluster.settings)
        stack = await servers.start()
        workers = [start_worker(stack, tmp_path, agent) for agent in ("session", "ranking")]
        listens = (await found_topics(stack.kafka))[LISTENS]
        assert (listens.replicas, listens.config["min.insync.replicas"]) == (3, "2")
        try:
            await asyncio.gather(*map(until_ready, workers))
            async with (
                reading(stack, SESSIONS, LISTS, only=about(*users)) as tail,
                AsyncClient(stack.kafka) as musicrec,
            ):
                killed = cluster.brokers[1]
                longest_s = 0.0
                for start in range(0, len(events), LISTENERS):
                    if start == len(events) // 4:
                        killed.process.signal(signal.SIGKILL)
                    began_s = time.monotonic()
                    await asyncio.gather(*map(musicrec.publish, events[start : start + LISTENERS]))
                    longest_s = max(longest_s, time.monotonic() - began_s)
                    await asyncio.sleep(0.1)
                # Before it is back: two of three are enough for all.
                wanted = {event.event_id for event in events}
                await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=150)
                await killed.start()
                await tail.quiet()
            print(f"publishing stood still for {longest_s:.1f} s at most")
            for worker in workers:
                worker.check_alive()
            print(summary(len(events), tail.on(SESSIONS), lists=tail.on(LISTS)))
            assert_each_applied_once(events, tail.on(SESSIONS))
            assert_each_list_answers_one_event(tail.on(LISTS))
            await assert_states_hold_each_once(stack, events)
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))
            await servers.stop()
