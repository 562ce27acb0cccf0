"""What an agent has done, counted."""

import logging
from collections import Counter

log = logging.getLogger(__name__)


class Counters:
    """Named counts of one process, logged as one line when they have changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, int] = {}

    def add(self, what: str, count: int = 1) -> None:
        """Count `count` more of `what`."""
        if count:
            self._counts[what] += count

    def __getitem__(self, what: str) -> int:
        return self._counts[what]

    def snapshot(self) -> dict[str, int]:
        """Return all counts."""
        return dict(self._counts)

    def log_if_changed(self) -> None:
        """Log all counts, unless nothing has happened since the last time."""
        if self._counts != self._logged:
            self._logged = dict(self._counts)
            log.info("%s: %s", self.name, " ".join(f"{key}={value}" for key, value in sorted(self._logged.items())))
