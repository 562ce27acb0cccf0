"""Offsets that a consumer group takes over from another one, whose work it goes on with."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, KafkaError

from musicrec.errors import Unavailable
from musicrec.settings import KafkaSettings
from musicrec.topics import Topic
from streams.group_members import group_members
from streams.group_offsets import committed_by

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 1.0


async def take_over_offsets(kafka: KafkaSettings, group: str, former: Mapping[Topic, str]) -> None:
    """Let a group begin, in topics of which it has committed nothing, where another group stands.

    Without it a new group begins with all that the topics hold.  A group that has members is left as it is: whoever
    came first has done this.

    Args:
        kafka: connection.
        group: whose offsets are committed.
        former: by topic the group whose offsets are taken.

    Raises:
        Unavailable: the broker does not answer.
    """
    try:
        offsets = await _missing(kafka, group, former)
        if offsets:
            await _commit(kafka, group, offsets)
            log.info("%s begins in %d partitions where %s stand", group, len(offsets), ", ".join(former.values()))
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not give or take offsets: {error!r}") from error


async def until_nobody_works_in(kafka: KafkaSettings, group: str) -> None:
    """Wait until a group has no members: whoever goes on with its work must not do it beside them.

    A member with a name stays in its group for a session timeout after it has ended.

    Raises:
        Incompatible: the right to look at the group is missing.
        Unavailable: the broker does not answer.
    """
    told = False
    while members := await group_members(kafka, group):
        if not told:
            named = ", ".join(member.name or member.host for member in members)
            log.warning("%s has members, and is waited for: %s", group, named)
            told = True
        await asyncio.sleep(ASK_EVERY_S)


async def _missing(kafka: KafkaSettings, group: str, former: Mapping[Topic, str]) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        own = {partition.topic for partition in await committed_by(admin, group)}
        offsets: dict[TopicPartition, int] = {}
        for topic, other in former.items():
            if topic.name not in own:
                offsets |= {p: at for p, at in (await committed_by(admin, other)).items() if p.topic == topic.name}
        return offsets
    finally:
        await admin.close()


async def _commit(kafka: KafkaSettings, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **kafka.client_options())
    consumer.assign(list(offsets))
    await consumer.start()
    try:
        await consumer.commit(dict(offsets))
    except CommitFailedError:
        log.info("%s has members already, and keeps its offsets", group)
    finally:
        await consumer.stop()
