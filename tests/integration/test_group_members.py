"""Who is in a group, and a worker that will not come back is taken out of it by name."""

import asyncio
import json
import uuid
from itertools import chain
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from conftest import start_worker, until_ready
from history import assert_each_applied_once, assert_states_hold_each_once, triggers
from probe import about, play, producing, publish_events, reading
from secured_servers import SecuredKafka
from services import command, stack_of

from musicrec.access import OUTCOME, SESSION
from musicrec.local import StackAddresses
from musicrec.topics import LISTENS, SESSIONS
from streams.group_members import group_members

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

GROUP = "musicrec-session"
PATIENT = {"MUSICREC_AGENT__SESSION_TIMEOUT_S": "90"}
"""No test waits so long: whatever moves earlier was moved by somebody."""
MOVED_S = 60.0
LISTENERS, EVENTS_EACH = 20, 40


def names() -> tuple[str, str]:
    """Return names that no other test has left in the group."""
    run = uuid.uuid4().hex[:8]
    return f"{run}-stays", f"{run}-goes"


async def partitions(stack: StackAddresses, name: str) -> list[int]:
    found = {member.name: member.partitions for member in await group_members(stack.kafka, GROUP)}
    return list(found.get(name, {}).get(LISTENS.name, []))


async def until_shared_out(stack: StackAddresses, *members: str) -> None:
    """Wait until members with these names have all partitions between them, each some."""
    async with asyncio.timeout(MOVED_S):
        while True:
            held = [await partitions(stack, name) for name in members]
            if all(held) and sorted(chain(*held)) == list(range(LISTENS.partitions)):
                return
            await asyncio.sleep(0.1)


@pytest.mark.row(4)
async def test_partitions_of_a_worker_that_is_taken_out_are_read_by_the_others(
    stack: StackAddresses, tmp_path: Path
) -> None:
    stays, goes = names()
    users = [f"{stays} {number}" for number in range(LISTENERS)]
    workers = [
        start_worker(stack, tmp_path, "session", name, MUSICREC_AGENT__INSTANCE_ID=name, **PATIENT)
        for name in (stays, goes)
    ]
    try:
        await asyncio.gather(*map(until_ready, workers))
        await until_shared_out(stack, stays, goes)
        await workers[1].stop()
        assert await partitions(stack, goes), "one that has a name does not leave when it ends"
        status, said = await command(stack, tmp_path, "group", "members", "session", "--json")
        assert (status, {json.loads(line)["name"] for line in said.splitlines()}) == (0, {stays, goes})

        assert await command(stack, tmp_path, "group", "remove", "session", goes) == (0, f"{goes} is out of {GROUP}\n")

        await until_shared_out(stack, stays)
        async with reading(stack, SESSIONS.name, only=about(*users)) as tail, producing(stack) as producer:
            await publish_events(producer, [play(user, "t1", 1) for user in users])
            await tail.until(lambda t: len(t.records) == len(users), deadline_s=MOVED_S)
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
        await command(stack, tmp_path, "group", "remove", "session", stays, goes)


@pytest.mark.row(4)
async def test_worker_that_is_taken_out_while_it_runs_joins_again_and_every_event_is_applied_once(
    stack: StackAddresses, tmp_path: Path
) -> None:
    stays, removed = names()
    users = [f"{stays} {number}" for number in range(LISTENERS)]
    events = [play(user, f"t{n % 7}", n) for n in range(EVENTS_EACH) for user in users]
    workers = [
        start_worker(stack, tmp_path, "session", name, MUSICREC_AGENT__INSTANCE_ID=name, **PATIENT)
        for name in (stays, removed)
    ]
    try:
        await asyncio.gather(*map(until_ready, workers))
        await until_shared_out(stack, stays, removed)
        async with reading(stack, SESSIONS.name, only=about(*users)) as tail, producing(stack) as producer:

            async def remove() -> None:
                await asyncio.sleep(1.0)
                status, said = await command(stack, tmp_path, "group", "remove", "session", removed)
                assert status == 0, said

            removing = asyncio.create_task(remove())
            for start in range(0, len(events), LISTENERS):
                await publish_events(producer, events[start : start + LISTENERS])
                await asyncio.sleep(0.2)
            await removing
            await until_shared_out(stack, stays, removed)
            await tail.until(lambda t: len(triggers(t.records)) >= len(events), deadline_s=MOVED_S)
            await tail.quiet()
        for worker in workers:
            worker.check_alive()
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
        await command(stack, tmp_path, "group", "remove", "session", stays, removed)
    assert_each_applied_once(events, tail.records)
    await assert_states_hold_each_once(stack, events)


async def test_name_that_is_not_in_the_group_is_told_with_those_that_are(stack: StackAddresses, tmp_path: Path) -> None:
    name, absent = names()
    worker = start_worker(stack, tmp_path, "session", name, MUSICREC_AGENT__INSTANCE_ID=name)
    try:
        await until_ready(worker)
        status, said = await command(stack, tmp_path, "group", "remove", "session", absent, name)
        assert status == 1
        assert f"{name} is out of {GROUP}\n" in said
        assert f"{absent!r} is not in {GROUP}; by name there are: " in said
    finally:
        await worker.stop()
        await command(stack, tmp_path, "group", "remove", "session", name)


async def test_group_that_nobody_has_joined_has_no_members_and_nobody_to_take_out(
    stack: StackAddresses, tmp_path: Path
) -> None:
    group = f"musicrec-re-embedder-{uuid.uuid4().hex}"
    assert await command(stack, tmp_path, "group", "members", group) == (0, f"{group} has no members\n")
    said = f"'one' is not in {group}; by name there are: none\n"
    assert await command(stack, tmp_path, "group", "remove", group, "one") == (1, said)


async def test_agent_that_is_none_is_refused_before_any_broker_is_asked(stack: StackAddresses, tmp_path: Path) -> None:
    known = "session, ranking, session-ranking, outcome, embedder, or musicrec-re-embedder-VERSION"
    for words in (("members", "sesion"), ("remove", "re-embedder", "one")):
        status, said = await command(stack, tmp_path, "group", *words, MUSICREC_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
        assert (status, said) == (2, f"musicrec: {words[1]!r} is no agent: {known}\n")


async def test_the_right_to_read_the_group_is_enough_and_needed(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    own, stranger = stack_of(SESSION, secured_kafka), stack_of(OUTCOME, secured_kafka)
    status, said = await command(own, tmp_path, "group", "remove", "session", "nobody")
    assert (status, "'nobody' is not in musicrec-session" in said) == (1, True)
    for words in (("members", "session"), ("remove", "session", "nobody")):
        status, said = await command(stranger, tmp_path, "group", *words)
        assert (status, "Read on group musicrec-session" in said) == (2, True), said


@pytest.mark.parametrize(
    ("agent", "group"), [("session", "musicrec-session-ranking"), ("session-ranking", "musicrec-session")]
)
async def test_session_and_session_ranking_workers_do_not_work_beside_each_other(
    agent: str, group: str, stack: StackAddresses, tmp_path: Path
) -> None:
    other = AIOKafkaConsumer(LISTENS.name, group_id=group, enable_auto_commit=False, **stack.kafka.client_options())
    await other.start()
    worker = start_worker(stack, tmp_path, agent, uuid.uuid4().hex[:8])
    try:
        async with asyncio.timeout(150):
            while f"{group} has members, and is waited for" not in worker.log_tail(200):
                assert worker.returncode is None, worker.log_tail()
                await asyncio.sleep(0.2)
        assert await group_members(stack.kafka, f"musicrec-{agent}") == []
        await other.stop()
        await until_ready(worker)
    finally:
        await asyncio.gather(other.stop(), worker.stop())
