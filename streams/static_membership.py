"""Static membership as the group protocol has it: the instance id goes with every heartbeat and every commit.

aiokafka 0.14 sends the id when it joins and not afterwards.  A second worker with the same id takes the first one's
place, the first one's next heartbeat is answered "unknown member", it joins again, takes the place back, and so on for
ever: each believes that it is well, and the group never rests.  With the id the broker answers "fenced", and whoever
was replaced can end.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitRequest_v3, OffsetCommitResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatRequest_v1, HeartbeatResponse_v1, Response
from aiokafka.protocol.types import Array, Int32, Int64, Schema, String

FENCED_INSTANCE_ID: Final = 82
"""Error code of the protocol: another member has joined with this instance id since."""

Send = Callable[[Any], Awaitable[Any]]


class FencedInstanceId(KafkaError):
    """Another worker has taken this one's place in the group."""


class HeartbeatResponse_v3(Response):
    """As version 1."""

    API_KEY, API_VERSION, SCHEMA = 12, 3, HeartbeatResponse_v1.SCHEMA


class HeartbeatRequest_v3(RequestStruct):
    """With the instance id."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 12, 3, HeartbeatResponse_v3
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class OffsetCommitResponse_v7(Response):
    """As version 3."""

    API_KEY, API_VERSION, SCHEMA = 8, 7, OffsetCommitResponse_v3.SCHEMA


class OffsetCommitRequest_v7(RequestStruct):
    """With the instance id; without a retention time of the commit."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 8, 7, OffsetCommitResponse_v7
    SCHEMA = Schema(
        ("consumer_group", String("utf-8")),
        ("consumer_group_generation_id", Int32),
        ("consumer_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", String("utf-8"))
                    ),
                ),
            ),
        ),
    )


class StaticHeartbeat(Request[HeartbeatRequest_v1 | HeartbeatRequest_v3]):
    """A heartbeat that names the instance, where the broker knows such (Kafka 2.3)."""

    API_KEY = 12

    def __init__(self, plain: HeartbeatRequest, instance_id: str) -> None:
        self._plain = plain
        self._instance_id = instance_id

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is not HeartbeatRequest_v3:
            return self._plain.build(request_struct_class)
        plain = self._plain
        return HeartbeatRequest_v3(plain._group, plain._generation_id, plain._member_id, self._instance_id)


class StaticCommit(Request[OffsetCommitRequest_v3 | OffsetCommitRequest_v7]):
    """A commit that names the instance, where the broker knows such."""

    API_KEY = 8

    def __init__(self, plain: OffsetCommitRequest, instance_id: str) -> None:
        self._plain = plain
        self._instance_id = instance_id

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is not OffsetCommitRequest_v7:
            return self._plain.build(request_struct_class)
        plain, unknown_epoch = self._plain, -1
        topics = [
            (topic, [(partition, offset, unknown_epoch, metadata) for partition, offset, metadata in partitions])
            for topic, partitions in plain._topics
        ]
        generation = plain._consumer_group_generation_id
        return OffsetCommitRequest_v7(plain._consumer_group, generation, plain._consumer_id, self._instance_id, topics)


class StaticMembership:
    """Stands between a group's client and its coordinator, and notices when the worker was replaced."""

    def __init__(self, send: Send, instance_id: str) -> None:
        self._send = send
        self._instance_id = instance_id
        self.fenced: str | None = None
        """What happened, once it has."""

    async def send(self, request: Any) -> Any:
        """Send a request of the group's client, with the instance id.

        Raises:
            FencedInstanceId: another worker has joined with the same id.
        """
        if isinstance(request, HeartbeatRequest):
            request = StaticHeartbeat(request, self._instance_id)
        elif isinstance(request, OffsetCommitRequest):
            request = StaticCommit(request, self._instance_id)
        response = await self._send(request)
        if FENCED_INSTANCE_ID in _error_codes(response):
            self.fenced = (
                f"another worker has joined with the same MUSICREC_AGENT__INSTANCE_ID={self._instance_id}; "
                "each worker needs one of its own"
            )
            raise FencedInstanceId(self.fenced)
        return response


def _error_codes(response: Any) -> set[int]:
    if hasattr(response, "error_code"):
        return {response.error_code}
    if isinstance(response, OffsetCommitResponse_v7):
        return {code for _, partitions in response.topics for _, code in partitions}
    return set()
