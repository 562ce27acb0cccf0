"""Asks a broker, now and then, where two groups stand on a topic."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from musicrec.settings import KafkaSettings
from musicrec.topics import Topic
from streams.group_offsets import committed_by
from streams.precedence import Offsets, Standing

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 1.0
"""As often as offsets are committed."""
DEADLINE_S: Final = 5.0


class GroupPlaces:
    """Knows where two groups stand, a second ago; while no broker answers, as it answered last."""

    def __init__(
        self, kafka: KafkaSettings, topic: Topic, *, first: str, second: str, told: Callable[[Standing], None]
    ) -> None:
        """Make it; `ask_for_ever` sets it going.

        Args:
            kafka: connection.
            topic: what both groups read.
            first: the group that comes first.
            second: the other one.
            told: called with every answer.
        """
        self._options = kafka.client_options() | {"request_timeout_ms": round(DEADLINE_S * 1000)}
        self._topic = topic.name
        self._first = first
        self._second = second
        self._told = told

    async def ask_for_ever(self) -> None:
        """Ask, and make the connection anew where there is no answer."""
        away = False
        while True:
            admin = AIOKafkaAdminClient(**self._options)
            consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await admin.start()
                    await consumer.start()
                while True:
                    async with asyncio.timeout(DEADLINE_S):
                        standing = await self._ask(admin, consumer)
                    away = False
                    self._told(standing)
                    await asyncio.sleep(ASK_EVERY_S)
            except (KafkaError, OSError, TimeoutError) as error:
                if not away:
                    log.warning("Kafka does not say where %s and %s are: %r", self._first, self._second, error)
                away = True
            finally:
                await consumer.stop()
                await admin.close()
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> Standing:
        # Committed first: what is published in between counts as not finished.
        first, second = await committed_by(admin, self._first), await committed_by(admin, self._second)
        (topic,) = await admin.describe_topics([self._topic])
        partitions = [TopicPartition(self._topic, part["partition"]) for part in topic["partitions"]]
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        return Standing(
            self._first,
            beginnings={place.partition: offset for place, offset in beginnings.items()},
            ends={place.partition: offset for place, offset in ends.items()},
            first=_places(partitions, first),
            second=_places(partitions, second),
        )


def _places(partitions: list[TopicPartition], committed: dict[TopicPartition, int]) -> Offsets:
    return {place.partition: max(0, committed.get(place, 0)) for place in partitions}
