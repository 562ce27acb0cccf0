"""The one clock: that of this machine, which the broker has as well."""

import time


def now_ms() -> int:
    """Return the present, epoch milliseconds."""
    return time.time_ns() // 1_000_000
