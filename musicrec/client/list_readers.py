"""Who waits for which lists."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from musicrec.client.list_subscription import MOST_WAITING, ListSubscription
from musicrec.contracts import Recommendation
from musicrec.errors import BadInput

Answer = asyncio.Future[Recommendation]


class Message(Protocol):
    """What is needed of a Kafka record."""

    @property
    def key(self) -> bytes | None:
        """The listener."""

    @property
    def value(self) -> bytes | None:
        """The list."""


class ListReaders:
    """Hands each list to whoever waits for it; a list that nobody waits for is not even parsed."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        """By listener and id of the event or the request: whoever waits for its list."""
        self._subscriptions: dict[bytes | None, set[ListSubscription]] = {}
        """By listener; None for all."""
        self._wanted: Counter[bytes] = Counter()
        """Listeners somebody waits for."""

    @contextmanager
    def answer_to(self, user_id: str, cause: str) -> Iterator[Answer]:
        """Give the future list that answers an event or a request, while the body runs."""
        place, key = (user_id, cause), user_id.encode()
        answer: Answer = asyncio.get_running_loop().create_future()
        self._answers.setdefault(place, []).append(answer)
        self._wanted[key] += 1
        try:
            yield answer
        finally:
            self._answers[place].remove(answer)
            if not self._answers[place]:
                del self._answers[place]
            self._unwant(key)

    @contextmanager
    def subscription(self, user_id: str | None, most_waiting: int = MOST_WAITING) -> Iterator[ListSubscription]:
        """Give the lists of a listener, or of all, while the body runs."""
        subscription, key = ListSubscription(most_waiting), None if user_id is None else user_id.encode()
        self._subscriptions.setdefault(key, set()).add(subscription)
        if key is not None:
            self._wanted[key] += 1
        try:
            yield subscription
        finally:
            subscription.end()
            self._subscriptions[key].remove(subscription)
            if not self._subscriptions[key]:
                del self._subscriptions[key]
            if key is not None:
                self._unwant(key)

    def take(self, messages: Sequence[Message]) -> None:
        """Hand over the lists among messages; what is no list is passed over."""
        everybodys = None in self._subscriptions
        for message in messages:
            if not everybodys and message.key not in self._wanted:
                continue
            try:
                self._hand_over(message.key, Recommendation.decode(message.value))
            except BadInput:
                continue  # of a later version, or of another writer: not for this reader

    def end(self) -> None:
        """End all subscriptions."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end()

    def _hand_over(self, key: bytes | None, made: Recommendation) -> None:
        causes = [made.request_id, made.trigger.event_id if made.trigger else None, *made.passed_over]
        for cause in causes:
            for answer in self._answers.get((made.user_id, cause), ()) if cause is not None else ():
                if not answer.done():
                    answer.set_result(made)
        for listener in (None, key):
            for subscription in self._subscriptions.get(listener, ()):
                subscription.put(made)

    def _unwant(self, key: bytes) -> None:
        self._wanted[key] -= 1
        if self._wanted[key] == 0:
            del self._wanted[key]
