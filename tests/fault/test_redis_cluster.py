"""A Redis Cluster under the agents: keys on all nodes, one of them killed and replaced by its replica."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import own_servers, start_worker, until_ready
from history import answers, assert_each_applied_once, assert_each_list_answers_one_event, summary
from probe import about, play, producing, publish_events, reading
from redis.asyncio import Redis
from valkey_cluster import ValkeyCluster, valkey_cluster

from musicrec.access import AGENTS
from musicrec.contracts import ListenEvent
from musicrec.local import StackAddresses
from musicrec.local.valkey_server import ValkeyServer

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]

SESSIONS, LISTS, OUTCOMES = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.outcomes.v1"
LISTENERS, EVENTS_EACH = 30, 12


async def keys_on(server: ValkeyServer) -> int:
    async with Redis.from_url(server.url) as client:
        return int(await client.dbsize())


@pytest.mark.row(7)
async def test_agents_work_on_a_cluster_and_a_node_may_be_killed(tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{(n * i) % 50}", n) for n in range(EVENTS_EACH) for i, user in enumerate(users)]
    half = len(events) // 2
    async with own_servers(tmp_path / "stack") as servers, valkey_cluster(tmp_path) as cluster:
        stack = StackAddresses(servers.addresses.kafka, cluster.settings)
        users_of = {name: await cluster.let_in(AGENTS[name]) for name in ("session", "ranking", "outcome")}
        workers = [
            start_worker(stack, tmp_path, name, MUSICREC_REDIS__URL=url, MUSICREC_REDIS__CLUSTER="true")
            for name, url in users_of.items()
        ]
        try:
            async with (
                reading(stack, SESSIONS, LISTS, OUTCOMES, only=about(*users)) as tail,
                producing(stack) as producer,
            ):
                await asyncio.gather(*map(until_ready, workers))

                async def answered(part: list[ListenEvent]) -> None:
                    wanted = {event.event_id for event in part}
                    await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=150)
                    await tail.until(lambda t: len(t.on(OUTCOMES)) >= len(part), deadline_s=60)

                await publish_events(producer, events[:half])
                await answered(events[:half])
                spread = [await keys_on(server) for server in cluster.primaries]
                assert min(spread) > 0, spread
                # What a replica was not sent yet is lost with its primary: that is Redis' promise, so all is sent.
                await until_replicated(cluster)
                killed = cluster.primaries[1]
                killed.process.signal(signal.SIGKILL)
                await publish_events(producer, events[half:])
                await answered(events)
                await tail.quiet()
            for worker in workers:
                worker.check_alive()
            print(summary(len(events), tail.on(SESSIONS), lists=tail.on(LISTS)), f"keys={spread}")
            assert_each_applied_once(events, tail.on(SESSIONS))
            assert_each_list_answers_one_event(tail.on(LISTS))
        finally:
            await asyncio.gather(*(worker.stop() for worker in workers))


async def until_replicated(cluster: ValkeyCluster) -> None:
    for primary in cluster.primaries:
        async with Redis.from_url(primary.url) as client:
            async with asyncio.timeout(30):
                while True:
                    replication = await client.info("replication")
                    if replication["slave0"]["offset"] == replication["master_repl_offset"]:
                        break
                    await asyncio.sleep(0.1)
