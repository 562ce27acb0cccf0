"""What the broker says of the topics and of the agents' consumer groups: offsets, commits, members."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS, REQUESTS, SESSIONS, TOPICS, TRACKS, Topic
from streams.consumer_groups import consumer_group
from streams.group_members import Member, members_in
from streams.group_offsets import committed_by
from streams.group_requests import DescribeGroupRequest

READ_BY: Final[Mapping[str, Sequence[Topic]]] = {
    "session": (LISTENS,),
    "ranking": (SESSIONS, REQUESTS),
    "session-ranking": (LISTENS, REQUESTS),
    "outcome": (SESSIONS,),
    "embedder": (TRACKS,),
}
"""Agent ▸ topics it works through."""
IN_ONE: Final = "session-ranking"
IN_TWO: Final = ("session", "ranking")
"""What `IN_ONE` does, as two agents: a deployment has either."""
REQUEST_TIMEOUT_MS: Final = 5_000

Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class BrokerFigures:
    """What a broker says at one moment."""

    at_s: float
    """On a clock that does not jump."""
    beginnings: Offsets
    """Of every partition that this user may see: the oldest message kept."""
    ends: Offsets
    """Likewise: where the next message will stand."""
    committed: Mapping[str, Offsets] = field(default_factory=dict)
    """Agent ▸ place of its group; without partitions that it has never committed."""
    members: Mapping[str, Sequence[Member]] = field(default_factory=dict)
    """Agent ▸ processes of its group."""

    def lag_of(self, agent: str) -> dict[TopicPartition, int] | None:
        """Return an agent's lag by partition; None where its group has never committed.

        It includes what was finished within the last second and is not committed yet.
        """
        names = {topic.name for topic in READ_BY[agent]}
        own = {partition: end for partition, end in self.ends.items() if partition.topic in names}
        return lags_of(own, self.beginnings, self.committed.get(agent, {}))

    def agents(self) -> list[str]:
        """Return the agents of this deployment: of two ways to do the same, the other one is none unless it has run."""
        absent = IN_TWO if self.lag_of(IN_ONE) is not None else (IN_ONE,)
        return [agent for agent in READ_BY if agent not in absent or self.lag_of(agent) is not None]

    def lags(self) -> dict[str, int | None]:
        """Return the messages not committed yet by agent; None for one whose group has never committed."""
        by_agent = {agent: self.lag_of(agent) for agent in self.agents()}
        return {agent: None if lag is None else sum(lag.values()) for agent, lag in by_agent.items()}


class BrokerSurvey:
    """Asks the broker; use it as an async context."""

    def __init__(self, kafka: KafkaSettings) -> None:
        options = kafka.client_options() | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def take(self) -> BrokerFigures:
        """Return what the broker says now.

        Raises:
            KafkaError, OSError: it does not answer.
        """
        topics = await self._admin.describe_topics([topic.name for topic in TOPICS])
        partitions = [TopicPartition(t["topic"], part["partition"]) for t in topics for part in t["partitions"]]
        at_s = time.monotonic()
        ends = await self._consumer.end_offsets(partitions)
        beginnings = await self._consumer.beginning_offsets(partitions)
        committed = {agent: await committed_by(self._admin, consumer_group(agent)) for agent in READ_BY}
        members = {agent: await self._members(consumer_group(agent)) for agent in READ_BY}
        return BrokerFigures(at_s, beginnings, ends, committed, members)

    async def lags(self) -> dict[str, int | None]:
        """Return the messages not committed yet by agent; see `BrokerFigures.lags`."""
        return (await self.take()).lags()

    async def _members(self, group: str) -> Sequence[Member]:
        try:
            node = await self._admin.find_coordinator(group)
            # Not its describe_consumer_groups: aiokafka 0.14 reads the answer about several groups wrongly.
            return members_in(await self._admin._send_request(DescribeGroupRequest(group), node))
        except (GroupCoordinatorNotAvailableError, NotImplementedError):
            return ()  # no group has ever been, or a broker before 2.4 does not tell names


def lags_of(ends: Offsets, beginnings: Offsets, committed: Offsets) -> dict[TopicPartition, int] | None:
    """Return how many messages of each partition in `ends` lie after what is committed.

    A partition without a commit is read from its beginning; offsets that retention has removed do not count.  None
    where nothing is committed at all.
    """
    if not any(committed.get(partition, -1) >= 0 for partition in ends):
        return None
    places = {p: max(committed.get(p, -1), beginnings.get(p, 0)) for p in ends}
    return {partition: max(0, end - places[partition]) for partition, end in ends.items()}
