"""`musicrec topics plan|apply` and `musicrec access plan|apply` on a real broker."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from conftest import own_servers
from secured_servers import SecuredKafka
from services import NO_REDIS, REFUSED, command

from musicrec.access import SESSION, KafkaRule, Operation, Resource
from musicrec.local import StackAddresses
from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, SESSIONS, TOPICS, TRACKS
from streams.topic_admin import found_topics

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000


@asynccontextmanager
async def administrator(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**kafka.client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def test_what_an_operator_changed_by_hand_is_shown_mended_where_nothing_is_lost_and_refused_elsewhere(
    tmp_path: Path,
) -> None:
    async with own_servers(tmp_path) as servers:
        stack: StackAddresses = servers.addresses

        async def said(*arguments: str) -> tuple[int, str]:
            return await command(stack, tmp_path, "topics", *arguments)

        assert await said("plan", "--exit-code") == (0, f"0 to do, 0 refused, {len(TOPICS)} topics as they should be\n")
        async with administrator(stack.kafka) as client:
            await client.delete_topics([SESSIONS.name, LISTENS.name])
            by_hand = {
                "retention.ms": str(DAY_MS),
                "message.timestamp.type": "LogAppendTime",
                "segment.ms": "3600000",
                "max.message.bytes": "10000000",
            }
            await client.create_topics([NewTopic(LISTENS.name, 12, 1, topic_configs=by_hand)])
            await client.create_topics([NewTopic("musicrec.listens.v0", 1, 1)])
        status, lines = await said("plan", "--exit-code")
        assert (status, lines.splitlines()) == (
            1,
            [
                f"~ {LISTENS.name}: retention.ms {DAY_MS} -> {7 * DAY_MS}",
                f"+ {SESSIONS.name}: create 12 partitions, 1 replicas",
                "  musicrec.listens.v0: not in the table, left alone",
                f"2 to do, 0 refused, {len(TOPICS) - 2} topics as they should be",
            ],
        )
        assert (await said("apply"))[1].endswith("done\n")
        assert (await said("plan", "--exit-code"))[0] == 0
        kept = (await found_topics(stack.kafka))[LISTENS.name].config
        assert (kept["segment.ms"], kept["max.message.bytes"]) == ("3600000", "10000000")

        async with administrator(stack.kafka) as client:
            await client.delete_topics([SESSIONS.name])
            await client.create_topics([NewTopic(SESSIONS.name, 5, 1)])
            deleting = ConfigResource(ConfigResourceType.TOPIC, TRACKS.name, {"cleanup.policy": "delete"})
            await client.alter_configs([deleting])
        status, refusal = await said("apply")
        assert status == REFUSED
        assert "Traceback" not in refusal
        for part in (f"{SESSIONS.name}: partitions 5 -> 12", f"--accept-loss {TRACKS.name}"):
            assert part in refusal
        status, as_json = await said("plan", "--json", "--accept-loss", TRACKS.name)
        changes = {change["what"]: change for change in json.loads(as_json)}
        assert (status, changes["partitions"]["kind"], changes["cleanup.policy"]["kind"]) == (0, "refused", "alter")
        status, unknown = await said("plan", "--accept-loss", "musicrec.traks.v1")
        assert status == REFUSED
        assert "musicrec.tracks.v1" in unknown


async def test_rights_that_a_broker_lacks_are_granted_and_what_goes_beyond_is_named_and_taken_on_request(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    administrator = StackAddresses(secured_kafka.administrator, NO_REDIS)

    async def said(*arguments: str) -> tuple[int, list[str]]:
        status, lines = await command(administrator, tmp_path, "access", *arguments)
        return status, lines.splitlines()

    as_it_should_be = "0 to grant, 0 beyond, 0 denied"
    assert await said("plan", "--exit-code") == (0, [as_it_should_be])
    write = KafkaRule(Resource.TOPIC, SESSIONS.name, Operation.WRITE)
    create = KafkaRule(Resource.TOPIC, "musicrec.", Operation.CREATE, prefixed=True)
    user = SESSION.user
    await secured_kafka.forbid(user, [write])
    await secured_kafka.allow(user, [create])
    try:
        lacks = f"+ User:{user}: allow Write on topic {SESSIONS.name}"
        status, (first, second, last) = await said("plan", "--exit-code")
        assert (status, first, last) == (1, lacks, "1 to grant, 1 beyond, 0 denied")
        assert second.startswith(f"  User:{user}: allow Create on topic musicrec.* (")
        status, (only,) = await said("plan", "--exit-code", "--user", "musicrec-outcome")
        assert (status, only) == (0, as_it_should_be)
        assert (await said("apply"))[1][-1] == "done"
        assert (await said("plan"))[1][-1] == "0 to grant, 1 beyond, 0 denied"
        assert (await said("apply", "--prune"))[1][-2:] == ["0 to grant, 1 beyond, 0 denied", "done"]
        assert await said("plan", "--exit-code") == (0, [as_it_should_be])
        await secured_kafka.until(user, [write], allowed=True)
    finally:
        if await said("plan", "--exit-code") != (0, [as_it_should_be]):
            await said("apply", "--prune")
    certificate = ("--user", user, "--as", f"{user}=User:CN=session")
    status, lines = await said("plan", *certificate, "--exit-code")
    assert (status, lines[-1]) == (1, f"{len(SESSION.kafka_rules)} to grant, 0 beyond, 0 denied")
    assert lines[0].startswith("+ User:CN=session: allow ")


async def test_who_may_not_see_the_rights_and_a_broker_without_any_are_told_so(
    secured_kafka: SecuredKafka, stack: StackAddresses, tmp_path: Path
) -> None:
    status, refusal = await command(
        StackAddresses(secured_kafka.settings(SESSION.user), NO_REDIS), tmp_path, "access", "plan"
    )
    assert (status, "Describe on the cluster" in refusal, SESSION.user in refusal) == (REFUSED, True, True)
    status, refusal = await command(stack, tmp_path, "access", "plan")
    assert (status, "has no authorizer" in refusal, "Traceback" in refusal) == (REFUSED, True, False)
    status, refusal = await command(stack, tmp_path, "access", "plan", "--user", "musicrec-sesion")
    assert (status, "musicrec-session" in refusal) == (REFUSED, True)
