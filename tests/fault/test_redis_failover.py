"""Redis fails over to a replica that was behind: what it was not sent is lost, nothing before, nothing after."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from conftest import start_worker, until_ready
from probe import Tail, about, play, producing, publish_events, reading
from pydantic import SecretStr
from redis.asyncio import Redis

from musicrec.contracts import SessionSnapshot
from musicrec.local import StackAddresses
from musicrec.local.free_port import free_port
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import RedisSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

SESSIONS = "musicrec.sessions.v1"


async def until_saved(redis: Redis, key: str, revision: int) -> None:
    async with asyncio.timeout(30):
        while await redis.hget(key, "revision") != b"%d" % revision:  # type: ignore[misc]
            await asyncio.sleep(0.05)


@pytest.mark.row(7)
async def test_only_the_events_that_the_replica_had_not_been_sent_are_missing_in_the_session(
    stack: StackAddresses, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    key = f"musicrec:session:{user}"
    primary, replica = ValkeyServer(tmp_path / "primary"), ValkeyServer(tmp_path / "replica")
    await asyncio.gather(primary.start(), replica.start())
    servers = StackAddresses(stack.kafka, RedisSettings(url=SecretStr(primary.url)))
    worker = start_worker(servers, tmp_path, "session")

    try:
        async with (
            Redis.from_url(primary.url) as before,
            Redis.from_url(replica.url) as after,
            reading(stack, SESSIONS, only=about(user)) as tail,
            producing(stack) as producer,
        ):
            await after.execute_command("REPLICAOF", "127.0.0.1", primary.port)
            await until_ready(worker)
            await publish_events(producer, [play(user, f"sent{n}", n) for n in range(3)])
            await until_saved(after, key, 3)
            await after.execute_command("REPLICAOF", "127.0.0.1", free_port())  # the link is cut, the data stays
            await publish_events(producer, [play(user, f"unsent{n}", n) for n in range(3, 5)])
            await until_saved(before, key, 5)
            await asyncio.sleep(0.5)  # the worker knows it too, and acknowledges
            primary.process.signal(signal.SIGKILL)
            await primary.process.wait()
            await after.execute_command("REPLICAOF", "NO", "ONE")
            await after.config_set("port", str(primary.port))  # where a virtual address, or a sentinel, leads then
            await publish_events(producer, [play(user, f"later{n}", n) for n in range(5, 8)])
            await tail.until(lambda t: len(snapshots(t)) == 8)
        worker.check_alive()
    finally:
        await worker.stop()
        await asyncio.gather(primary.stop(), replica.stop())
    unsent, later = (list(snapshots(tail).values())[number] for number in (4, 7))
    assert [entry.track_id for entry in unsent.entries] == ["sent0", "sent1", "sent2", "unsent3", "unsent4"]
    assert [entry.track_id for entry in later.entries] == ["sent0", "sent1", "sent2", "later5", "later6", "later7"]


def snapshots(tail: Tail) -> dict[str, SessionSnapshot]:
    """Return the snapshot of each event; the same one may be emitted again around the fail-over."""
    found = [SessionSnapshot.decode(record.value) for record in tail.records]
    return {snapshot.trigger.event_id: snapshot for snapshot in found}
