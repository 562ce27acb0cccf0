"""Which topics these are: offsets, and whatever is kept beside them, mean nothing on a topic that was made anew.

A topic that is deleted and created again has its old name, begins at offset 0, and has another id (Kafka 2.8, KIP-516).
Without the id its events would be taken for those that were applied at the same offsets before.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self
from uuid import UUID

from aiokafka.errors import KafkaError, NoError, for_code

from musicrec.errors import Unavailable
from musicrec.kafka_connection import connected
from musicrec.settings import KafkaSettings
from musicrec.topics import Topic
from streams.metadata_with_ids import NO_ID, MetadataResponse_v10, TopicIdsRequest

Send = Callable[[TopicIdsRequest], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class TopicIds:
    """Topics of one cluster."""

    cluster: str
    ids: tuple[tuple[str, UUID], ...]
    """By name, in order."""

    @classmethod
    async def ask(cls, send: Send, names: Iterable[str]) -> Self:
        """Ask over a connection to a broker.

        Raises:
            KafkaError: there is no answer, or none about one of the topics.
        """
        answer = await send(TopicIdsRequest(names))
        ids = []
        for error, name, *rest in answer.topics:
            if (kind := for_code(error)) is not NoError:
                raise kind(name)
            ids.append((name, rest[0] if answer.API_VERSION == MetadataResponse_v10.API_VERSION else NO_ID))
        return cls(answer.cluster_id or "", tuple(sorted(ids)))

    @property
    def origin(self) -> str:
        """A name, 16 hexadecimal digits, that these topics share with no others: not with those of another cluster, and
        not with their successors."""
        digest = blake2b(self.cluster.encode(), digest_size=8)
        for name, topic_id in self.ids:
            digest.update(name.encode() + topic_id.bytes)
        return digest.hexdigest()

    def __or__(self, other: Self) -> "TopicIds":
        """Return the topics of both."""
        return TopicIds(self.cluster, tuple(sorted({*self.ids, *other.ids})))

    def names(self) -> list[str]:
        """Return the topics' names."""
        return [name for name, _ in self.ids]

    def made_anew(self, now: "TopicIds") -> tuple[str, ...]:
        """Return the topics that were others before."""
        return tuple(name for name, topic_id in now.ids if (name, topic_id) not in self.ids)


async def topic_ids(kafka: KafkaSettings, *topics: Topic) -> TopicIds:
    """Return what these topics are.

    Raises:
        Incompatible: a server refuses the credentials, or its certificate is refused here.
        Unavailable: no broker answers, or a topic is not there.
    """
    names = [topic.name for topic in topics]
    async with connected(kafka) as connection:
        try:
            return await TopicIds.ask(connection.send, names)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(
                f"Kafka at {kafka.bootstrap_servers} does not say what {', '.join(names)} are: {error!r}"
            ) from error
