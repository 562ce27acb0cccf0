"""Records that stand under their names on a compacted topic of one partition: one read, all that stand, a new one put.

Models and rules are published so: by people, with a command, and followed by every ranking worker.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from musicrec.access import KafkaRule, Operation, Resource, Service
from musicrec.cloud_events import headers_for
from musicrec.contracts import CatalogueRule, ModelAnnouncement
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.kafka_access import check_access, refused_rules
from musicrec.settings import KafkaSettings
from musicrec.topics import Topic

POLL_MS: Final = 200
DEADLINE_S: Final = 30.0
"""For the topic to be read to its end: it holds one record per name."""

Named = TypeVar("Named", ModelAnnouncement, CatalogueRule)


def named_record(kind: type[Named], key: bytes | None, value: bytes | None) -> tuple[str, Named | None]:
    """Return a name and what a message says of it: None where it is withdrawn.

    Raises:
        BadInput: the record breaks the contract, or its key is not the name.
    """
    try:
        name = (key or b"").decode()
    except UnicodeDecodeError:
        raise BadInput("the key is not UTF-8", DeadLetterReason.KEY_MISMATCH) from None
    if not value:
        return name, None
    record = kind.decode(value)
    if record.name != name:
        raise BadInput(f"key {name!r} differs from name {record.name!r}", DeadLetterReason.KEY_MISMATCH)
    return name, record


async def standing(kafka: KafkaSettings, service: Service, kind: type[Named]) -> dict[str, Named]:
    """Return what stands now on the topic that a command reads, by name; what breaks the contract is left out.

    Raises:
        Incompatible: Kafka refuses the user or its rights.
        Unavailable: no broker answers, or the topic does not exist.
    """
    (topic,) = service.reads
    await check_access(kafka, service.kafka_rules)
    found: dict[str, Named] = {}
    with _refusals(kafka, topic, Operation.READ):
        async with asyncio.timeout(DEADLINE_S):
            for message in await _messages(kafka, topic):
                with suppress(BadInput):  # workers pass it over too, and say so
                    name, record = named_record(kind, message.key, message.value)
                    found.pop(name, None)
                    if record is not None:
                        found[name] = record
    return found


async def put_standing(
    kafka: KafkaSettings, service: Service, records: Mapping[str, ModelAnnouncement | CatalogueRule | None]
) -> None:
    """Put records under their names, None for what is withdrawn; returns once the broker has them.

    Raises:
        Incompatible: Kafka refuses the user or its rights.
        Unavailable: no broker answers, or the topic does not exist.
    """
    (topic,) = service.writes
    await check_access(kafka, service.kafka_rules)
    options = kafka.client_options() | {"max_request_size": topic.max_message_bytes}
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
    try:
        with _refusals(kafka, topic, Operation.WRITE):
            async with asyncio.timeout(DEADLINE_S):
                await producer.start()
                for name, record in records.items():
                    value, headers = (record.encode(), headers_for(record)) if record is not None else (None, [])
                    await producer.send_and_wait(topic.name, value, key=name.encode(), headers=headers)
    finally:
        await producer.stop()


async def _messages(kafka: KafkaSettings, topic: Topic) -> list[ConsumerRecord]:
    """Return all messages of the topic up to its end of now."""
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False)
    partition, messages = TopicPartition(topic.name, 0), list[ConsumerRecord]()
    try:
        await consumer.start()
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                messages += batch
    finally:
        await consumer.stop()
    return messages


@contextmanager
def _refusals(kafka: KafkaSettings, topic: Topic, operation: Operation) -> Iterator[None]:
    """Say what was refused: a topic that may be written, but not read, passes the check before."""
    try:
        yield
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, topic.name, operation)]) from None
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
