"""A topic that the broker does not name is asked for again soon.

A broker that is still starting does not answer, or with what it knows so far, which may be without our topics.
aiokafka leaves it at that for its metadata's age, five minutes.  A member that leads the group then gives partitions to
nobody, and the whole group, all of it members in good standing, waits.  Kafka's own clients ask again after 100 ms
(`retry.backoff.ms`) and then ever less often, up to once a second (`retry.backoff.max.ms`); so do ours with this.  Once
the topics are there, aiokafka sees that they have changed, and the group hands its partitions around once more.

It asks one question at a time, and whoever leads a group waits for the answer before it hands anything around.  So a
question whose answer never comes would keep the group waiting for the client's whole request timeout (90 s, as joining
may take a minute), and an error that ends the task that asks would do so for ever.
"""

import asyncio
import logging
from typing import Any, Final

from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
ANSWER_DEADLINE_S: Final = 10.0


class TopicMetadata:
    """Looks at what an aiokafka client is told of its topics."""

    def __init__(self, client: Any) -> None:
        """Begin to look; ends with the client."""
        self._client = client
        self._pause_s = FIRST_PAUSE_S
        self._timer: asyncio.TimerHandle | None = None
        self._update = client._metadata_update
        client._metadata_update = self._update_and_look

    def missing(self) -> tuple[str, ...]:
        """Return the topics of which no partition is known."""
        known = self._client.cluster.topics(exclude_internal_topics=False)
        return tuple(sorted(self._client._topics - known))

    async def _update_and_look(self, cluster: Any, topics: object) -> bool:
        updated = await self._update_in_time(cluster, topics)
        self._look()
        return updated

    async def _update_in_time(self, cluster: Any, topics: object) -> bool:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                return bool(await self._update(cluster, topics))
        except TimeoutError:
            log.warning("Kafka has not said within %g s where topics are", ANSWER_DEADLINE_S)
        except RuntimeError as error:  # uvloop's, of a connection that has just been closed
            log.warning("Kafka was not asked where topics are: %s", error)
        for (_, group), connection in list(self._client._conns.items()):
            if group == ConnectionGroup.DEFAULT:  # joining has a connection of its own, and may take longer
                connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        cluster.failed_update(None)
        return False

    def _look(self) -> None:
        if not self.missing():
            self._pause_s = FIRST_PAUSE_S
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._ask)
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)

    def _ask(self) -> None:
        self._timer = None
        if self._client._sync_task is None:
            return  # closed
        self._client.force_metadata_update()
