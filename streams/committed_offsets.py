"""Committed offsets that the broker cannot give just now are not taken for offsets that nobody has committed.

A coordinator that is still loading its groups answers the question for offsets with an error for the whole group, and
with no partitions.  aiokafka 0.14 looks at the errors of partitions alone: a worker that joins in that moment begins at
the first message that its topic still has, and one that is set to begin at the latest would pass over all that waits.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    NoError,
    NotCoordinatorForGroupError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchResponse_v2, OffsetFetchResponse_v3

Send = Callable[[Any], Awaitable[Any]]


class CommittedOffsets:
    """Stands between a group's client and its coordinator, and looks at answers of which the client sees a part."""

    def __init__(self, send: Send, lose_coordinator: Callable[[], None]) -> None:
        """Begin.

        Args:
            send: sends a request of the group's client and returns the answer.
            lose_coordinator: has the client look for its coordinator anew.
        """
        self._send = send
        self._lose_coordinator = lose_coordinator

    async def send(self, request: Any) -> Any:
        """Send a request of the group's client.

        Raises:
            KafkaError: the broker does not say what is committed; the client asks again where it is one that passes.
        """
        response = await self._send(request)
        if not isinstance(response, OffsetFetchResponse_v2 | OffsetFetchResponse_v3):
            return response
        error = for_code(response.error_code)
        if error in (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
            self._lose_coordinator()
        if error is not NoError:
            raise error()
        for topic, partitions in response.topics:
            # Logged and passed over by the client, like an offset that is not there.
            if any(code == UnknownTopicOrPartitionError.errno for *_, code in partitions):
                raise UnknownTopicOrPartitionError(topic)
        return response
