"""Messages that nobody waits for come together at the broker before they are fetched."""

from typing import NamedTuple


class Gathering(NamedTuple):
    """When the broker answers a fetch: with so many bytes, or after so long with what there is.

    By default it answers with the first message.  At hundreds of messages a second that makes a batch of each one or
    two, and most of what an agent does for them is asking, for the broker too.
    """

    least_bytes: int
    longest_wait_ms: int

    @property
    def consumer_options(self) -> dict[str, int]:
        """Return the options of an aiokafka consumer."""
        return {"fetch_min_bytes": self.least_bytes, "fetch_max_wait_ms": self.longest_wait_ms}


UNHURRIED = Gathering(least_bytes=512 * 1024, longest_wait_ms=100)
"""For what may come a tenth of a second later.  So many bytes come together within that time at a thousand events a
second and more; a fetch brings twice as many of one partition at most."""
