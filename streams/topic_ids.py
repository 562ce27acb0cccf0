"""Which topics these are: offsets, and whatever is kept beside them, mean nothing on a topic that was made anew.

A topic that is deleted and created again has its old name, begins at offset 0, and has another id (Kafka 2.8, KIP-516).
Without the id its events would be taken for those that were applied at the same offsets before.  aiokafka 0.14 asks for
metadata up to version 5; ids come with version 10.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from typing import Any, Self
from uuid import UUID

from aiokafka.errors import KafkaError, NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from musicrec.errors import Unavailable
from musicrec.kafka_connection import connected
from musicrec.settings import KafkaSettings
from musicrec.topics import Topic

NO_ID = UUID(int=0)
"""Of every topic, on a broker before 2.8."""


class Uuid(AbstractType[UUID]):
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class MetadataResponse_v10(Response):
    """With the id of each topic."""

    API_KEY, API_VERSION = 3, 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class MetadataRequest_v10(RequestStruct):
    """Topics by name; an answer with their ids."""

    API_KEY, API_VERSION, RESPONSE_TYPE, FLEXIBLE_VERSION = 3, 10, MetadataResponse_v10, True
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicIdsRequest(Request[MetadataRequest_v5 | MetadataRequest_v10]):
    """What a cluster calls itself and some of its topics."""

    API_KEY = 3

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is MetadataRequest_v5:
            return MetadataRequest_v5(self._names, False)
        return MetadataRequest_v10([(NO_ID, name, {}) for name in self._names], False, False, False, {})


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
