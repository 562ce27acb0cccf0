"""How far the agents' consumer groups are behind the ends of their topics."""

from collections.abc import Mapping, Sequence
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, REQUESTS, SESSIONS, TRACKS, Topic
from streams.consumer_groups import consumer_group

READ_BY: Final[Mapping[str, Sequence[Topic]]] = {
    "session": (LISTENS,),
    "ranking": (SESSIONS, REQUESTS),
    "outcome": (SESSIONS,),
    "embedder": (TRACKS,),
}
"""Agent ▸ topics it works through."""
REQUEST_TIMEOUT_MS: Final = 5_000


class ConsumerLag:
    """Asks the broker; an agent's lag includes what it has finished within the last second and not committed yet."""

    def __init__(self, kafka: KafkaSettings) -> None:
        options = kafka.client_options() | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        self.by_partition: dict[tuple[str, str, int], int] = {}
        """Lag by agent, topic and partition, of groups that have committed, as it was measured last."""

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def measure(self) -> dict[str, int | None]:
        """Return the messages not committed yet by agent; None for one whose group has never committed.

        Raises:
            KafkaError, OSError: the broker does not answer.
        """
        topics = await self._admin.describe_topics(list({t.name for topics in READ_BY.values() for t in topics}))
        partitions = [TopicPartition(t["topic"], part["partition"]) for t in topics for part in t["partitions"]]
        ends = await self._consumer.end_offsets(partitions)
        beginnings = await self._consumer.beginning_offsets(partitions)
        lags: dict[str, int | None] = {}
        by_partition: dict[tuple[str, str, int], int] = {}
        for agent, topics in READ_BY.items():
            committed = await self._committed(consumer_group(agent))
            names = {topic.name for topic in topics}
            own = {p: end for p, end in ends.items() if p.topic in names}
            if (lag := lags_of(own, beginnings, committed)) is not None:
                by_partition |= {(agent, p.topic, p.partition): behind for p, behind in lag.items()}
            lags[agent] = None if lag is None else sum(lag.values())
        self.by_partition = by_partition
        return lags

    async def _committed(self, group: str) -> dict[TopicPartition, int]:
        try:
            found = await self._admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            return {}  # a broker where no group has ever been; the question makes it set up its groups topic
        return {partition: place.offset for partition, place in found.items()}


def lags_of(
    ends: Mapping[TopicPartition, int],
    beginnings: Mapping[TopicPartition, int],
    committed: Mapping[TopicPartition, int],
) -> dict[TopicPartition, int] | None:
    """Return how many messages of each partition in `ends` lie after what is committed.

    A partition without a commit is read from its beginning; offsets that retention has removed do not count.  None
    where nothing is committed at all.
    """
    if not any(committed.get(partition, -1) >= 0 for partition in ends):
        return None
    places = {p: max(committed.get(p, -1), beginnings.get(p, 0)) for p in ends}
    return {partition: max(0, end - places[partition]) for partition, end in ends.items()}
