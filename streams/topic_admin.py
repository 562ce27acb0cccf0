"""Topics on a broker, compared with the table of topics."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_access import check_partitions, refused_rules
from musicrec.kafka_connection import check_connection
from musicrec.settings import KafkaSettings
from musicrec.topics import TOPICS, Topic

REQUEST_TIMEOUT_MS = 30_000


async def create_missing_topics(
    kafka: KafkaSettings, topics: Sequence[Topic] = TOPICS, *, replication_factor: int = 1
) -> list[str]:
    """Create the topics that the broker lacks and check the partition counts of the others.

    Returns:
        Names of the topics that were created.

    Raises:
        Incompatible: a topic has another number of partitions than the table: keyed topics cannot be changed in place;
            or the credentials, the certificate or the right to create a topic are refused.
        Unavailable: the broker does not answer.
    """
    await check_connection(kafka)
    client = AIOKafkaAdminClient(**kafka.client_options(), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.start()
        present = set(await client.list_topics())
        missing = [topic for topic in topics if topic.name not in present]
        if missing:
            refused = await _create(client, missing, replication_factor)
            if refused:
                raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, name, Operation.CREATE) for name in refused])
        known = [topic for topic in topics if topic.name in present]
        if known:
            described = await client.describe_topics([topic.name for topic in known])
            check_partitions(known, {str(found["topic"]): len(found["partitions"]) for found in described})
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} refuses the topics: {error!r}") from error
    finally:
        await client.close()
    return [topic.name for topic in missing]


async def _create(client: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int) -> list[str]:
    """Create topics; return those that this client may not create."""
    new = [NewTopic(topic.name, topic.partitions, replication_factor, topic_configs=topic.config) for topic in topics]
    response = await client.create_topics(new)
    known = (0, TopicAlreadyExistsError.errno, TopicAuthorizationFailedError.errno)
    for name, code, *rest in response.topic_errors:
        if code not in known:
            raise Incompatible(f"{name}: the broker refuses to create it (error {code}: {rest})")
    return [name for name, code, *_ in response.topic_errors if code == TopicAuthorizationFailedError.errno]
