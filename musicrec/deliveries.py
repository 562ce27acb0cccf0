"""Messages on their way to the broker, counted from the front, so that the count is a place to go on from."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

Mark = TypeVar("Mark")

LONGEST_LOOK_AWAY_S = 1.0
"""Deliveries are looked at this often, so that a broker that went away ends a slow replay too."""


class Deliveries(Generic[Mark]):
    """Deliveries in the order of sending, each with a mark of its sender's."""

    def __init__(self, max_in_flight: int, on_progress: Callable[[int, Mark], None] | None = None) -> None:
        """Make an empty one.

        Args:
            max_in_flight: how many may be on their way before `add` waits.
            on_progress: told how many have arrived without a gap, and the mark of the last of them.
        """
        self.delivered = 0
        """Arrived, without a gap from the first."""
        self.last: Mark | None = None
        """Mark of the last of these."""
        self._max_in_flight = max_in_flight
        self._on_progress = on_progress
        self._waiting: deque[tuple[asyncio.Future[Any], Mark]] = deque()

    async def add(self, mark: Mark, delivery: Awaitable[Any]) -> None:
        """Remember a delivery; while too many are on their way, wait for the oldest."""
        self._waiting.append((asyncio.ensure_future(delivery), mark))
        if len(self._waiting) >= self._max_in_flight:
            await self._waiting[0][0]
            self.count()

    def count(self) -> None:
        """Count what has arrived.

        Raises:
            Exception: that of the first delivery that failed.
        """
        before = self.delivered
        try:
            while self._waiting and self._waiting[0][0].done():
                delivery, mark = self._waiting[0]
                delivery.result()
                self._waiting.popleft()
                self.delivered += 1
                self.last = mark
        finally:
            if self._on_progress is not None and self.last is not None and self.delivered > before:
                self._on_progress(self.delivered, self.last)

    async def settle(self) -> None:
        """Wait for all."""
        while self._waiting:
            await self._waiting[0][0]
            self.count()

    async def wait_until(self, due_s: float, stop: asyncio.Event) -> None:
        """Wait until the loop's clock shows `due_s` or `stop` is set, and count meanwhile."""
        clock = asyncio.get_running_loop().time
        while (wait_s := due_s - clock()) > 0 and not stop.is_set():
            self.count()
            try:
                await asyncio.wait_for(stop.wait(), min(wait_s, LONGEST_LOOK_AWAY_S))
            except TimeoutError:
                continue
