"""What waits for its turn: a queue per key, so that one listener's flood does not stand before everybody else.

Order matters within a key alone: a listener's events build on each other, those of two listeners do not.  A key whose
turn comes gives all that waits of it, up to `MOST_OF_ONE_KEY`, and what is left queues up again behind the others.  So
several events of one listener are done together, which is cheaper than one by one, and a bot fills no batch.
"""

from collections import Counter, OrderedDict, deque
from typing import Any, Final

from faust.types import TP

MOST_OF_ONE_KEY: Final = 32
"""An event of a listener with a full session takes a millisecond; the others wait for so many of them at a time."""

FLOOD_PER_KEY: Final = 8
"""Whoever listens has one or two events waiting; so many of each key, on the average, are a bot's or an import's."""


class FairQueue:
    """Events by key, and how many there are of each partition.

    Args:
        limit: when so many wait, partitions that have more than their share of it are full.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_key: OrderedDict[Any, deque[Any]] = OrderedDict()
        self._by_partition: Counter[TP] = Counter()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def is_of_few(self) -> bool:
        """Whether few keys have most of what waits: others whose messages lie behind these could come first."""
        return self._length > 0 and self._length >= FLOOD_PER_KEY * len(self._by_key)

    def put(self, event: Any) -> TP:
        """Queue an event behind those of its key; return its partition."""
        key = event.message.key
        if (waiting := self._by_key.get(key)) is None:
            waiting = self._by_key[key] = deque()
        waiting.append(event)
        partition = _partition(event)
        self._by_partition[partition] += 1
        self._length += 1
        return partition

    def take(self, most: int) -> list[Any]:
        """Take up to `most` events: keys in the order in which they queue, of each key what came first."""
        batch: list[Any] = []
        left_over: dict[Any, deque[Any]] = {}
        while self._by_key and len(batch) < most:
            key, waiting = self._by_key.popitem(last=False)
            batch += [waiting.popleft() for _ in range(min(len(waiting), MOST_OF_ONE_KEY, most - len(batch)))]
            if waiting:
                left_over[key] = waiting
        self._by_key |= left_over
        self._took(batch)
        return batch

    def take_of(self, key: Any, most: int) -> list[Any]:
        """Take up to `most` events of one key, whoever's turn it is."""
        waiting = self._by_key.get(key)
        if waiting is None:
            return []
        taken = [waiting.popleft() for _ in range(min(len(waiting), most))]
        if not waiting:
            del self._by_key[key]
        self._took(taken)
        return taken

    def holds(self, key: Any) -> bool:
        """Whether anything of the key waits."""
        return key in self._by_key

    def is_full(self, partition: TP) -> bool:
        """Whether no more of this partition should come: too much waits, and it has its share of that."""
        return self._length >= self._limit and self._by_partition[partition] >= self._share

    def is_short_of(self, partition: TP) -> bool:
        """Whether more of this partition should come again."""
        return 2 * self._by_partition[partition] < self._share

    def _took(self, events: list[Any]) -> None:
        for event in events:
            self._by_partition[_partition(event)] -= 1
        self._length -= len(events)

    @property
    def _share(self) -> float:
        """What each partition may have of the limit, of those that have anything."""
        return self._limit / max(1, sum(1 for count in self._by_partition.values() if count))


def _partition(event: Any) -> TP:
    return TP(event.message.topic, event.message.partition)
