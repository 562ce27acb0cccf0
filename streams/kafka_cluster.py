"""Which Kafka cluster this is: offsets, and whatever is kept beside them, mean nothing on another."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from musicrec.errors import Unavailable
from musicrec.settings import KafkaSettings


async def cluster_id(kafka: KafkaSettings) -> str:
    """Return the cluster's id.

    Raises:
        Unavailable: no broker answers.
    """
    client = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await client.start()
        return str((await client.describe_cluster())["cluster_id"])
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
    finally:
        await client.close()
