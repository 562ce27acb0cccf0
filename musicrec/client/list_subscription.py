"""Lists as they come, for one who reads them one after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from musicrec.contracts import Recommendation

MOST_WAITING = 1_000
"""Lists that wait for a reader.  What is older is worth less than what is newer, so the oldest go first."""


class ListSubscription(AsyncIterator[Recommendation]):
    """An iterator that ends with its context, or with its client."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._waiting: deque[Recommendation] = deque(maxlen=most_waiting)
        self._came = asyncio.Event()
        self._ended = False
        self.missed = 0
        """Lists that went because the reader was too slow."""

    def put(self, made: Recommendation) -> None:
        """Add a list."""
        self.missed += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(made)
        self._came.set()

    def end(self) -> None:
        """Let the iterator end, after what waits."""
        self._ended = True
        self._came.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Recommendation:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()
