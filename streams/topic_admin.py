"""Topics on a broker, compared with the table of topics."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from musicrec.errors import Incompatible, Unavailable
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
        Incompatible: a topic has another number of partitions than the table: keyed topics cannot be changed in place.
        Unavailable: the broker does not answer.
    """
    client = AIOKafkaAdminClient(**kafka.client_options(), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.start()
        present = set(await client.list_topics())
        missing = [topic for topic in topics if topic.name not in present]
        if missing:
            await _create(client, missing, replication_factor)
        known = [topic for topic in topics if topic.name in present]
        if known:
            _check_partitions(known, await client.describe_topics([topic.name for topic in known]))
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} refuses the topics: {error!r}") from error
    finally:
        await client.close()
    return [topic.name for topic in missing]


async def _create(client: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int) -> None:
    new = [NewTopic(topic.name, topic.partitions, replication_factor, topic_configs=topic.config) for topic in topics]
    response = await client.create_topics(new)
    for name, code, *rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise Incompatible(f"{name}: the broker refuses to create it (error {code}: {rest})")


def _check_partitions(topics: Sequence[Topic], described: Sequence[dict[str, object]]) -> None:
    counts = {str(found["topic"]): len(found["partitions"]) for found in described}  # type: ignore[arg-type]
    for topic in topics:
        count = counts.get(topic.name, 0)
        if count != topic.partitions:
            raise Incompatible(
                f"{topic.name} has {count} partitions and needs {topic.partitions}: a keyed topic cannot be changed in "
                "place, because one listener would be on two partitions; create it anew"
            )
