"""What a consumer group has committed."""

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError


async def committed_by(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """Return a group's offsets, without partitions that it has never committed.

    Raises:
        KafkaError, OSError: the broker does not answer, or does not let this user ask.
    """
    try:
        found = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return {}  # a broker where no group has ever been; the question makes it set up its groups topic
    return {partition: place.offset for partition, place in found.items() if place.offset >= 0}
