"""A library that says the same a hundred times a second says it once in a while."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Final

MAX_KINDS: Final = 1_000


class Seldom(logging.Filter):
    """Lets a line of one kind pass once per period, with how many were held back; a filter for a handler.

    While a broker is away aiokafka tries ten times a second and writes four lines each time, per client.
    """

    def __init__(
        self, libraries: Collection[str], *, every_s: float = 10.0, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a filter.

        Args:
            libraries: top-level names of loggers; all others pass.
            every_s: the period.
            now_s: gives the time, seconds.
        """
        super().__init__()
        self._libraries = frozenset(libraries)
        self._every_s = every_s
        self._now_s = now_s
        self._passed_s: dict[tuple[str, str], float] = {}
        self._held: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line passes."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        kind, now_s = (record.name, str(record.msg)), self._now_s()
        if now_s - self._passed_s.get(kind, -self._every_s) < self._every_s:
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        if len(self._passed_s) >= MAX_KINDS:  # a library that formats its lines itself
            self._passed_s.clear()
            self._held.clear()
        self._passed_s[kind] = now_s
        if held := self._held.pop(kind, 0):
            record.msg = f"{record.msg} ({held} more since the last such line)"
        return True
