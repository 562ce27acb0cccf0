"""Where the partitions of a topic end, asked of the broker."""

from collections.abc import Collection
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from musicrec.errors import Unavailable
from musicrec.settings import KafkaSettings
from musicrec.topics import Topic

REQUEST_TIMEOUT_MS = 5_000


class TopicEnds:
    """Ends of one topic's partitions; use it as an async context."""

    def __init__(self, kafka: KafkaSettings, topic: Topic) -> None:
        options = kafka.client_options() | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
        self._topic = topic
        self._servers = kafka.bootstrap_servers
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self._servers} does not answer: {error!r}") from error
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._consumer.stop()

    async def of(self, partitions: Collection[int]) -> dict[int, int]:
        """Return the offset of the next message of each partition.

        Raises:
            Unavailable: the broker does not answer.
        """
        wanted = [TopicPartition(self._topic.name, partition) for partition in partitions]
        try:
            ends = await self._consumer.end_offsets(wanted)
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka does not say where {self._topic.name} ends: {error!r}") from error
        return {partition.partition: end for partition, end in ends.items()}
