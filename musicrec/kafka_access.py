"""Whether a service may do on Kafka what it is there for, asked before it begins.

A right that is missing shows late otherwise: that of a dead-letter topic with the first bad message.  A broker shows a
topic only to whoever may read, write or describe it, and each service has one right on each of its topics; so a topic
that is refused to the question is refused to the work.  (A session-ranking worker has two on the snapshots, and either
shows the topic: the other one is missed later.)
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.co_partitioning import check_partitions
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_connection import connected
from musicrec.settings import KafkaSettings
from musicrec.topics import TOPICS

GROUP_COORDINATOR: Final = 0


async def check_access(kafka: KafkaSettings, rules: Collection[KafkaRule]) -> None:
    """Ask the broker for every topic and group of `rules`.

    Raises:
        Incompatible: credentials, a certificate or a right is refused, or topics of one key differ in their partitions.
        Unavailable: no broker answers, or a topic does not exist.
    """
    partitions = await partitions_of(kafka, rules)
    check_partitions((topic for topic in TOPICS if topic.name in partitions), partitions)


async def partitions_of(kafka: KafkaSettings, rules: Collection[KafkaRule]) -> dict[str, int]:
    """Ask the broker for every topic and group of `rules`; return the number of partitions of each topic.

    Raises:
        Incompatible: credentials, a certificate or a right is refused.
        Unavailable: no broker answers, or a topic does not exist.
    """
    names = {rule.name for rule in rules if rule.resource is Resource.TOPIC}
    async with connected(kafka) as connection:
        try:
            refused, partitions = await _ask_for_topics(connection, sorted(names))
            refused |= await _refused_groups(connection, rules)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
    if refused:
        raise refused_rules(kafka, [rule for rule in rules if rule.name in refused])
    missing = names - partitions.keys()
    if missing:
        raise Unavailable(
            f"Kafka at {kafka.bootstrap_servers} lacks {_listed(missing)}: `musicrec topics` creates them"
        )
    return partitions


async def count_partitions(kafka: KafkaSettings, topic: str) -> int:
    """Return how many partitions a topic has; raises as `partitions_of`."""
    return (await partitions_of(kafka, [KafkaRule(Resource.TOPIC, topic, Operation.READ)]))[topic]


def refused_rules(kafka: KafkaSettings, rules: Sequence[KafkaRule]) -> Incompatible:
    """Return the error that names the user and the rights that it lacks."""
    who = f"user {kafka.sasl_username!r}" if kafka.uses_sasl else "this client, which has no user,"
    lacking = ", ".join(f"{rule.operation} on {rule.resource} {rule.name}" for rule in rules)
    return Incompatible(f"Kafka refuses {who}: {lacking}; kafka-acls.sh in deploy/contracts gives the rights")


async def _ask_for_topics(connection: AIOKafkaConnection, names: list[str]) -> tuple[set[str], dict[str, int]]:
    """Return the topics that are refused, and the number of partitions of those that are there."""
    # Asked for by name a topic would be created, where the broker does so.
    answer = await connection.send(MetadataRequest(names, allow_auto_topic_creation=False))
    refused, partitions = set(), {}
    for code, name, _, found in answer.topics:
        if code == TopicAuthorizationFailedError.errno:
            refused.add(name)
        elif code != UnknownTopicOrPartitionError.errno:
            partitions[name] = len(found)
    return refused, partitions


async def _refused_groups(connection: AIOKafkaConnection, rules: Iterable[KafkaRule]) -> set[str]:
    groups = {rule.name for rule in rules if rule.resource is Resource.GROUP}
    refused = set()
    for group in sorted(groups):
        answer = await connection.send(FindCoordinatorRequest(group, GROUP_COORDINATOR))
        # Other errors pass: a broker where no group has ever been sets up its groups topic first.
        if answer.error_code == GroupAuthorizationFailedError.errno:
            refused.add(group)
    return refused


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
