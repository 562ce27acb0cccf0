"""Topics on a broker, compared with the table of topics."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.co_partitioning import check_partitions, partitions_by_key
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_access import refused_rules
from musicrec.kafka_connection import check_connection
from musicrec.settings import KafkaSettings
from musicrec.topic_plan import TopicPlan, TopicState, wanted_config
from musicrec.topics import TOPICS, Topic
from streams.incremental_alter_configs import IncrementalAlterConfigsRequest

REQUEST_TIMEOUT_MS: Final = 30_000
PREFIXES: Final = tuple({f"{topic.name.partition('.')[0]}." for topic in TOPICS})


async def create_missing_topics(
    kafka: KafkaSettings,
    topics: Sequence[Topic] = TOPICS,
    *,
    replication_factor: int = 1,
    partitions: Mapping[str, int] | None = None,
) -> list[str]:
    """Create the topics that the broker lacks and check that those of one key have as many partitions.

    Args:
        kafka: connection.
        topics: the table.
        replication_factor: copies of each partition of a new topic.
        partitions: by key of the topics how many a new one has; where none is given as many as the others of its key.

    Returns:
        Names of the topics that were created.

    Raises:
        Incompatible: topics of one key differ in their partitions: keyed topics cannot be changed in place; or the
            credentials, the certificate or the right to create a topic are refused.
        Unavailable: the broker does not answer.
    """
    async with _administrating(kafka) as client:
        present = set(await client.list_topics())
        known = [topic.name for topic in topics if topic.name in present]
        described = await client.describe_topics(known) if known else []
        found = {str(each["topic"]): len(each["partitions"]) for each in described}
        numbers = partitions_by_key(topics, found, partitions)
        missing = [replace(topic, partitions=numbers[topic.key]) for topic in topics if topic.name not in present]
        check_partitions(topics, found | {topic.name: topic.partitions for topic in missing})
        if missing:
            refused = await _create(client, missing, replication_factor)
            if refused:
                raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, name, Operation.CREATE) for name in refused])
    return [topic.name for topic in missing]


async def found_topics(kafka: KafkaSettings) -> dict[str, TopicState]:
    """Return the broker's topics whose names begin as ours do.

    Raises:
        Incompatible: credentials, the certificate or the right to see a topic's settings are refused.
        Unavailable: the broker does not answer.
    """
    async with _administrating(kafka) as client:
        names = [name for name in await client.list_topics() if name.startswith(PREFIXES)]
        if not names:
            return {}
        described = {str(found["topic"]): found["partitions"] for found in await client.describe_topics(names)}
        config = await _config_of(client, kafka, names)
        return {
            name: TopicState(len(parts), min((len(part["replicas"]) for part in parts), default=0), config[name])
            for name, parts in described.items()
        }


async def apply_plan(kafka: KafkaSettings, plan: TopicPlan, *, replication_factor: int) -> None:
    """Create and alter what a plan says; what it refuses is left.

    Raises:
        Incompatible: the broker refuses a part of it; what came before is done, and another plan shows the rest.
        Unavailable: the broker does not answer.
    """
    async with _administrating(kafka) as client:
        created = [replace(t, partitions=plan.partitions[t.key]) for t in TOPICS if t.name in plan.created]
        refused = await _create(client, created, replication_factor) if created else []
        if refused:
            raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, name, Operation.CREATE) for name in refused])
        if plan.altered:
            await _alter(client, kafka, {name: plan.settings(name) for name in plan.altered})


@asynccontextmanager
async def _administrating(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    await check_connection(kafka)
    client = AIOKafkaAdminClient(**kafka.client_options(), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} refuses the topics: {error!r}") from error
    finally:
        await client.close()


async def _config_of(
    client: AIOKafkaAdminClient, kafka: KafkaSettings, names: Sequence[str]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    config: dict[str, dict[str, str]] = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            _check(kafka, code, message, name, "DescribeConfigs")
            config[name] = {entry[0]: entry[1] or "" for entry in entries}
    return config


async def _alter(client: AIOKafkaAdminClient, kafka: KafkaSettings, changed: dict[str, dict[str, str]]) -> None:
    response = await client._send_request(IncrementalAlterConfigsRequest(changed))
    for code, message, _, name in response.responses:
        _check(kafka, code, message, name, "AlterConfigs")


def _check(kafka: KafkaSettings, code: int, message: str | None, topic: str, right: str) -> None:
    if code == TopicAuthorizationFailedError.errno:
        who = f"user {kafka.sasl_username!r}" if kafka.uses_sasl else "this client, which has no user,"
        raise Incompatible(f"Kafka refuses {who}: {right} on topic {topic}; an administrator has it")
    if code:
        raise Incompatible(f"{topic}: the broker refuses {right} (error {code}: {message})")


async def _create(client: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int) -> list[str]:
    """Create topics; return those that this client may not create."""
    config = {topic.name: wanted_config(topic, replication_factor) for topic in topics}
    new = [NewTopic(t.name, t.partitions, replication_factor, topic_configs=config[t.name]) for t in topics]
    response = await client.create_topics(new)
    known = (0, TopicAlreadyExistsError.errno, TopicAuthorizationFailedError.errno)
    for name, code, *rest in response.topic_errors:
        if code not in known:
            raise Incompatible(f"{name}: the broker refuses to create it (error {code}: {rest})")
    return [name for name, code, *_ in response.topic_errors if code == TopicAuthorizationFailedError.errno]
