"""Records as they come, for one who reads them one after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, Self, TypeVar

T = TypeVar("T")

MOST_WAITING = 1_000
"""Records that wait for a reader.  What is older is worth less than what is newer, so the oldest go first."""


class Subscription(AsyncIterator[T], Generic[T]):
    """An iterator that ends with its context, or with its client."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._waiting: deque[T] = deque(maxlen=most_waiting)
        self._came = asyncio.Event()
        self._ended = False
        self.missed = 0
        """Records that went because the reader was too slow."""

    def put(self, record: T) -> None:
        """Add a record."""
        self.missed += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(record)
        self._came.set()

    def end(self) -> None:
        """Let the iterator end, after what waits."""
        self._ended = True
        self._came.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()
