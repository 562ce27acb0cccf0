"""Asks the servers, again and again, whether they answer; on connections of its own, beside the agent's work."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from musicrec.settings import KafkaSettings
from streams.redis_connection import RedisClient, ping
from streams.redis_errors import REDIS_AWAY
from streams.topic_ids import TopicIds
from streams.vitals import NOT_ASKED

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 2.0
DEADLINE_S: Final = 5.0
"""Longest wait for an answer."""


class KafkaProbe:
    """Asks where partitions end, and whether topics are still those that they were.

    The client that consumes knows it from its own fetches: where these have stopped, it knows of no lag.
    """

    def __init__(self, kafka: KafkaSettings, partitions: Callable[[], Collection[tuple[str, int]]]) -> None:
        self._options = kafka.client_options() | {"request_timeout_ms": round(DEADLINE_S * 1000)}
        self._partitions = partitions
        self.error: str | None = NOT_ASKED
        """Why Kafka did not answer when it was last asked; None where it did."""
        self.ends: Mapping[tuple[str, int], int] = {}
        """Offset of the next message to be published, by topic and number."""
        self.made_anew: tuple[str, ...] = ()
        """Topics that were deleted and created again."""
        self._topics: TopicIds | None = None

    def stand_on(self, topics: TopicIds) -> None:
        """Ask from now on whether these topics are still there."""
        self._topics = topics if self._topics is None else self._topics | topics

    async def ask_for_ever(self) -> None:
        """Ask, and make the connection anew where there is no answer."""
        while True:
            consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await consumer.start()
                while True:
                    async with asyncio.timeout(DEADLINE_S):
                        await self._ask_for_ids(consumer)
                        self.ends = await self._ask(consumer)
                    if self.error not in (None, NOT_ASKED):
                        log.info("Kafka answers again")
                    self.error = None
                    await asyncio.sleep(ASK_EVERY_S)
            except TimeoutError:
                self._away(f"no answer within {DEADLINE_S:g} s")
            except (KafkaError, OSError) as error:
                self._away(f"does not answer: {error!r}")
            finally:
                await consumer.stop()
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self, consumer: AIOKafkaConsumer) -> dict[tuple[str, int], int]:
        wanted = [TopicPartition(*partition) for partition in self._partitions()]
        if wanted:
            return dict(await consumer.end_offsets(wanted))
        await consumer.topics()  # a member without partitions asks too
        return {}

    async def _ask_for_ids(self, consumer: AIOKafkaConsumer) -> None:
        if self._topics is None:
            return
        client = consumer._client
        with suppress(UnknownTopicOrPartitionError):  # deleted, and perhaps about to be created again
            now = await TopicIds.ask(partial(client.send, client.get_random_node()), self._topics.names())
            self.made_anew = self._topics.made_anew(now)

    def _away(self, error: str) -> None:
        if self.error is None:
            log.warning("Kafka: %s", error)
        self.error = error


class RedisProbe:
    """Pings."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.error: str | None = NOT_ASKED
        """Why Redis did not answer when it was last asked; None where it did."""

    async def ask_for_ever(self) -> None:
        """Ask; the client's own deadline ends a wait."""
        while True:
            try:
                await ping(self._redis)
                self.error = None
            except REDIS_AWAY as error:
                self.error = f"does not answer: {error}"
            await asyncio.sleep(ASK_EVERY_S)
