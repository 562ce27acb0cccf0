"""kill -9 of Valkey and of Kafka under working agents: what they had taken is finished once the server is back."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import own_servers, start_worker, until_ready
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from probe import about, play, producing, publish_events, reading

from musicrec.local.child_process import ChildProcess
from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer
from streams.batch_loop import EXIT_STATUS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

SESSIONS, LISTS = "musicrec.sessions.v1", "musicrec.recommendations.v1"
LISTENERS, EVENTS_EACH = 20, 30


async def kill_and_restart(server: KafkaServer | ValkeyServer, *, away_s: float) -> None:
    server.process.signal(signal.SIGKILL)
    await server.process.wait()
    await asyncio.sleep(away_s)
    await server.start()


@pytest.mark.row(1, 6)
@pytest.mark.parametrize("victim", ["Valkey", "Kafka"])
async def test_every_event_is_applied_and_answered_once_when_a_server_is_killed(victim: str, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{(n * i) % 50}", n) for n in range(EVENTS_EACH) for i, user in enumerate(users)]
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        workers = [start_worker(stack, tmp_path, agent) for agent in ("session", "ranking")]
        try:
            async with reading(stack, SESSIONS, LISTS, only=about(*users)) as tail, producing(stack) as producer:
                await asyncio.gather(*map(until_ready, workers))
                server = servers.valkey_server if victim == "Valkey" else servers.kafka_server
                assert server is not None
                killing = asyncio.create_task(kill_and_restart(server, away_s=3.0))
                for start in range(0, len(events), LISTENERS):
                    await publish_events(producer, events[start : start + LISTENERS])
                    await asyncio.sleep(0.1)
                await killing
                wanted = {event.event_id for event in events}
                await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=100)
                await tail.quiet()
            for worker in workers:
                worker.check_alive()
            print(summary(len(events), tail.on(SESSIONS), lists=tail.on(LISTS)))
            assert_each_applied_once(events, tail.on(SESSIONS))
            assert_each_list_answers_one_event(tail.on(LISTS))
            await assert_states_hold_each_once(stack, events)
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))


@pytest.mark.row(6)
async def test_worker_whose_redis_stays_away_ends_with_nothing_acknowledged(tmp_path: Path) -> None:
    user = f"listener {uuid.uuid4()}"
    events = [play(user, f"t{number}", number) for number in range(5)]
    async with own_servers(tmp_path / "stack") as servers:
        stack, valkey = servers.addresses, servers.valkey_server
        assert valkey is not None
        async with reading(stack, SESSIONS, only=about(user)) as tail, producing(stack) as producer:
            impatient = start_worker(stack, tmp_path, "session", MUSICREC_AGENT__RETRY_DEADLINE_S="2")
            await until_ready(impatient)
            await valkey.stop()
            await publish_events(producer, events)
            assert await ended(impatient) == EXIT_STATUS
            await valkey.start()
            successor = start_worker(stack, tmp_path, "session")
            try:
                await tail.until(lambda t: len(t.records) >= len(events))
                await tail.quiet()
            finally:
                await successor.stop()
        assert_each_applied_once(events, tail.records)


async def ended(process: ChildProcess, deadline_s: float = 60.0) -> int:
    async with asyncio.timeout(deadline_s):
        return await process.wait()
