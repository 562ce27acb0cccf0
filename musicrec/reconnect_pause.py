"""A pause before a broker that does not answer is asked for a connection again.

aiokafka asks for one with every fetch, heartbeat, commit and look at the metadata, some ninety times a second and
worker, while a broker is starting and needs the processor for itself.  Kafka's own clients wait 50 ms at first and 1 s
at last (`reconnect.backoff.ms`, `reconnect.backoff.max.ms`); so do ours with this.
"""

import random
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0

Connect = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class _Refused:
    pause_s: float = FIRST_PAUSE_S
    until_s: float = 0.0


class ReconnectPause:
    """Stands before a client's way to connect; gives None, as that does after a failure, while the pause lasts."""

    def __init__(self, connect: Connect) -> None:
        """Begin; `connect` returns a connection, the one that is open if there is, or None where there is none."""
        self._connect = connect
        self._refused: dict[Hashable, _Refused] = {}

    async def __call__(self, node_id: int, **options: Any) -> Any:
        """Return a connection to a broker, or None."""
        to = (node_id, *options.values())
        refused = self._refused.get(to)
        if refused is not None and time.monotonic() < refused.until_s:
            return None
        connection = await self._connect(node_id, **options)
        if connection is not None:
            self._refused.pop(to, None)
            return connection
        refused = self._refused.setdefault(to, _Refused())
        # Not all workers at the same moment.
        refused.until_s = time.monotonic() + refused.pause_s * random.uniform(0.5, 1.0)
        refused.pause_s = min(LONGEST_PAUSE_S, 2 * refused.pause_s)
        return None


def pause_before_reconnecting(client: Any) -> None:
    """Have an aiokafka client, that of a consumer or producer, wait between attempts to reach a broker."""
    client._get_conn = ReconnectPause(client._get_conn)
