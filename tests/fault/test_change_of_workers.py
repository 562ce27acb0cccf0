"""From session and ranking workers to session-ranking workers under traffic, and back, as deploy/README.md has it."""

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from conftest import own_servers, start_worker, until_ready
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from probe import about, commit_ends, partitions_of, play, reading

from musicrec.client import AsyncClient
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from streams.consumer_groups import consumer_group

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]

LISTENS, SESSIONS, REQUESTS = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.requests.v1"
LISTS, OUTCOMES = "musicrec.recommendations.v1", "musicrec.outcomes.v1"
READS = {"session": (LISTENS,), "ranking": (SESSIONS, REQUESTS), "session-ranking": (LISTENS, REQUESTS)}
LISTENERS = 10


async def until_through(stack: StackAddresses, agent: str) -> None:
    """Wait until the agent's group has committed all that its topics have now."""
    consumer = AIOKafkaConsumer(**stack.kafka.client_options())
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await consumer.start()
    await client.start()
    try:
        ends = await consumer.end_offsets(partitions_of(*READS[agent]))
        async with asyncio.timeout(60):
            while True:
                found = await client.list_consumer_group_offsets(consumer_group(agent))
                if all(end == 0 or (p in found and found[p].offset >= end) for p, end in ends.items()):
                    return
                await asyncio.sleep(0.2)
    finally:
        await client.close()
        await consumer.stop()


class Deployment:
    """One worker of each agent that is to run."""

    def __init__(self, stack: StackAddresses, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.workers: dict[str, ChildProcess] = {}

    async def run(self, *agents: str) -> None:
        for agent in agents:
            self.workers[agent] = start_worker(self._stack, self._folder, agent)
        await asyncio.gather(*(until_ready(self.workers[agent]) for agent in agents))
        await asyncio.sleep(2.0)

    async def until_said(self, agent: str, words: str) -> None:
        async with asyncio.timeout(60):
            while agent not in self.workers or words not in self.workers[agent].log_file.read_text():
                await asyncio.sleep(0.1)

    async def stop(self, agent: str) -> None:
        worker = self.workers.pop(agent)
        await worker.stop()
        assert worker.returncode == 0, worker.log_tail()
        await asyncio.sleep(2.0)

    async def stop_all(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))


@pytest.mark.row(12)
async def test_a_change_to_workers_of_both_kinds_in_one_and_the_way_back_lose_nothing_under_traffic(
    tmp_path: Path,
) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        deployment = Deployment(stack, tmp_path)
        published = []
        over = asyncio.Event()
        try:
            await deployment.run("session", "ranking", "outcome")
            async with (
                reading(stack, SESSIONS, LISTS, OUTCOMES, only=about(*users)) as tail,
                AsyncClient(stack.kafka) as musicrec,
            ):

                async def listen() -> None:
                    number = 0
                    while not over.is_set():
                        for index, user in enumerate(users):
                            event = play(user, f"t{(number * (index + 1)) % 50}", number)
                            await musicrec.publish(event)
                            published.append(event)
                        number += 1
                        await asyncio.sleep(0.2)

                listening = asyncio.create_task(listen())
                await asyncio.sleep(2.0)
                early = asyncio.create_task(deployment.run("session-ranking"))
                await deployment.until_said("session-ranking", "musicrec-session has members")
                await deployment.stop("session")
                await until_through(stack, "ranking")
                await early
                await deployment.stop("ranking")
                alone = await musicrec.list_after(play(f"{run}-asks", "t1", 0), deadline_s=30)
                await commit_ends(stack, consumer_group("session"), READS["session"])
                await commit_ends(stack, consumer_group("ranking"), READS["ranking"])
                await deployment.run("ranking")
                await until_through(stack, "session-ranking")
                await deployment.stop("session-ranking")
                await deployment.run("session")
                over.set()
                await listening
                wanted = {event.event_id for event in published}
                await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=100)
                await tail.until(lambda t: len({r.value for r in t.on(OUTCOMES)}) >= len(wanted), deadline_s=60)
                await tail.quiet()
            print(summary(len(published), tail.on(SESSIONS), lists=tail.on(LISTS)))
            assert alone.items
            assert_each_applied_once(published, tail.on(SESSIONS))
            assert_each_list_answers_one_event(tail.on(LISTS))
            await assert_states_hold_each_once(stack, published)
        finally:
            over.set()
            await deployment.stop_all()
