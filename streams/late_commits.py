"""Commits that are a rebalance late are refused here, because the broker may take them.

aiokafka 0.14 tries a commit again for as long as the broker is away, and asks only when it sends for the group's
generation.  What was finished under an old one may so be committed under the next, over what the partition's new owner
has committed since.  And a client that was expelled sends no generation at all, which the broker takes for a commit
from outside of the group, and accepts while the group is empty: as it is when the broker was away for so long that all
were expelled.  Kafka's own client fails both.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.errors import IllegalGenerationError

EXPELLED: Final = -1
"""Generation of a client that is no member; of the protocol."""


class LateCommits:
    """Stands between a group's client and its coordinator, and knows under which generation partitions were assigned.

    A client learns of a generation before it learns its partitions: in between, those it has are the last one's.
    """

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator
        self._send: Callable[[Any], Awaitable[Any]] = coordinator._send_req
        self._commit: Callable[[Any, Any], Awaitable[None]] = coordinator._do_commit_offsets
        self._generation = EXPELLED

    async def send(self, request: Any) -> Any:
        """Send a request of the group's client; a new assignment begins with one, for what is committed."""
        self._look()
        return await self._send(request)

    async def commit(self, assignment: Any, offsets: Any) -> None:
        """Commit what was finished of an assignment.

        Raises:
            IllegalGenerationError: it is not the client's any more; whoever has the partitions now begins before what
                was to be committed, and finishes that again.
        """
        self._look()
        generation = self._coordinator.generation
        if generation == EXPELLED or generation != self._generation or not assignment.active:
            raise IllegalGenerationError(self._coordinator.group_id)
        await self._commit(assignment, offsets)

    def _look(self) -> None:
        if not self._coordinator._subscription.reassignment_in_progress:
            self._generation = self._coordinator.generation
