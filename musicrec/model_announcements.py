"""Announcements of models on `musicrec.models.v1`: one read, all that stand, and a new one put there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from musicrec.access import MODEL_COMMAND, KafkaRule, Operation, Resource
from musicrec.cloud_events import headers_for
from musicrec.contracts import ModelAnnouncement
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.kafka_access import check_access, refused_rules
from musicrec.settings import KafkaSettings
from musicrec.topics import MODELS

SESSION_ENCODER: Final = "session_encoder"
"""Name of what `musicrec train sequence` makes."""
POLL_MS: Final = 200
DEADLINE_S: Final = 30.0
"""For the topic to be read to its end: it holds one record per model."""


def announcement_in(key: bytes | None, value: bytes | None) -> tuple[str, ModelAnnouncement | None]:
    """Return a model's name and what a record says of it: None where it is withdrawn.

    Raises:
        BadInput: the record breaks the contract, or its key is not the name.
    """
    try:
        name = (key or b"").decode()
    except UnicodeDecodeError:
        raise BadInput("the key is not UTF-8", DeadLetterReason.KEY_MISMATCH) from None
    if not value:
        return name, None
    announced = ModelAnnouncement.decode(value)
    if announced.name != name:
        raise BadInput(f"key {name!r} differs from name {announced.name!r}", DeadLetterReason.KEY_MISMATCH)
    return name, announced


async def announcements(kafka: KafkaSettings) -> dict[str, ModelAnnouncement]:
    """Return what is announced now, by name; records that break the contract are left out.

    Raises:
        Incompatible: Kafka refuses the user or its rights.
        Unavailable: no broker answers, or the topic does not exist.
    """
    await check_access(kafka, MODEL_COMMAND.kafka_rules)
    found: dict[str, ModelAnnouncement] = {}
    with _refusals(kafka, Operation.READ):
        async with asyncio.timeout(DEADLINE_S):
            for record in await _records(kafka):
                with suppress(BadInput):  # workers pass it over too, and say so
                    name, announced = announcement_in(record.key, record.value)
                    found.pop(name, None)
                    if announced is not None:
                        found[name] = announced
    return found


async def put_announcement(kafka: KafkaSettings, name: str, announced: ModelAnnouncement | None) -> None:
    """Announce a model, or withdraw it with None; returns once the broker has it.

    Raises:
        Incompatible: Kafka refuses the user or its rights.
        Unavailable: no broker answers, or the topic does not exist.
    """
    await check_access(kafka, MODEL_COMMAND.kafka_rules)
    producer = AIOKafkaProducer(**kafka.client_options(), acks="all", enable_idempotence=True)
    value, headers = (announced.encode(), headers_for(announced)) if announced is not None else (None, [])
    try:
        with _refusals(kafka, Operation.WRITE):
            async with asyncio.timeout(DEADLINE_S):
                await producer.start()
                await producer.send_and_wait(MODELS.name, value, key=name.encode(), headers=headers)
    finally:
        await producer.stop()


async def _records(kafka: KafkaSettings) -> list[ConsumerRecord]:
    """Return all records of the topic up to its end of now."""
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False)
    partition, records = TopicPartition(MODELS.name, 0), list[ConsumerRecord]()
    try:
        await consumer.start()
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                records += batch
    finally:
        await consumer.stop()
    return records


@contextmanager
def _refusals(kafka: KafkaSettings, operation: Operation) -> Iterator[None]:
    """Say what was refused: a topic that may be written, but not read, passes the check before."""
    try:
        yield
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, MODELS.name, operation)]) from None
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
