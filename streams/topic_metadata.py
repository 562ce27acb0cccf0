"""A topic that the broker does not name is asked for again soon.

A broker that is still starting answers with what it knows so far, which may be without our topics.  aiokafka keeps such
an answer for its metadata's age, five minutes.  A member that leads the group with it gives partitions to nobody, and
the whole group, all of it members in good standing, waits for minutes.  Kafka's own clients ask again after 100 ms
(`retry.backoff.ms`) and then ever less often, up to once a second (`retry.backoff.max.ms`); so do ours with this.  Once
the topics are there, aiokafka sees that they have changed, and the group hands its partitions around once more.
"""

import asyncio
from typing import Any, Final

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0


class TopicMetadata:
    """Looks at what an aiokafka client is told of its topics."""

    def __init__(self, client: Any) -> None:
        """Begin to look; ends with the client."""
        self._client = client
        self._pause_s = FIRST_PAUSE_S
        self._timer: asyncio.TimerHandle | None = None
        client.cluster.add_listener(self._look)

    def missing(self) -> tuple[str, ...]:
        """Return the topics of which no partition is known."""
        known = self._client.cluster.topics(exclude_internal_topics=False)
        return tuple(sorted(self._client._topics - known))

    def _look(self, _: object) -> None:
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
        self._look(None)  # an answer that fails is no news to whoever listens
