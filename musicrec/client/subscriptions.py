"""Who reads which listeners' records of one topic."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from musicrec.client.subscription import MOST_WAITING, Subscription
from musicrec.errors import BadInput

T = TypeVar("T")


class Message(Protocol):
    """What is needed of a Kafka record."""

    @property
    def key(self) -> bytes | None:
        """The listener."""

    @property
    def value(self) -> bytes | None:
        """The record."""


class Subscriptions(Generic[T]):
    """Hands each record to whoever reads its listener's; one that nobody reads is not even parsed."""

    def __init__(self, decode: Callable[[bytes | None], T]) -> None:
        self._decode = decode
        self._subscriptions: dict[bytes | None, set[Subscription[T]]] = {}
        """By listener; None for all."""
        self._wanted: Counter[bytes | None] = Counter()
        """Listeners somebody waits for; None for all."""

    @contextmanager
    def wanting(self, user_id: str | None) -> Iterator[bytes | None]:
        """Have the records of a listener, or of all, parsed while the body runs; gives their key."""
        key = None if user_id is None else user_id.encode()
        self._wanted[key] += 1
        try:
            yield key
        finally:
            self._wanted[key] -= 1
            if self._wanted[key] == 0:
                del self._wanted[key]

    @contextmanager
    def subscription(self, user_id: str | None, most_waiting: int = MOST_WAITING) -> Iterator[Subscription[T]]:
        """Give the records of a listener, or of all, while the body runs."""
        subscription = Subscription[T](most_waiting)
        with self.wanting(user_id) as key:
            self._subscriptions.setdefault(key, set()).add(subscription)
            try:
                yield subscription
            finally:
                subscription.end()
                self._subscriptions[key].remove(subscription)
                if not self._subscriptions[key]:
                    del self._subscriptions[key]

    def hand_over(self, message: Message) -> T | None:
        """Hand a message to its readers, and return it; None for what nobody waits for, or what breaks the contract."""
        if None not in self._wanted and message.key not in self._wanted:
            return None
        try:
            record = self._decode(message.value)
        except BadInput:
            return None  # of a later version, or of another writer: not for this reader
        for key in {None, message.key}:
            for subscription in self._subscriptions.get(key, ()):
                subscription.put(record)
        return record

    def end(self) -> None:
        """End all subscriptions."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end()
