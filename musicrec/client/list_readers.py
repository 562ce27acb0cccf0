"""Who waits for which lists."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from musicrec.client.subscription import MOST_WAITING, Subscription
from musicrec.client.subscriptions import Message, Subscriptions
from musicrec.contracts import Recommendation

Answer = asyncio.Future[Recommendation]


class ListReaders:
    """Hands each list to whoever waits for it: as the answer to something, or as one of a listener's."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        """By listener and id of the event or the request: whoever waits for its list."""
        self._subscriptions = Subscriptions(Recommendation.decode)

    @contextmanager
    def answer_to(self, user_id: str, cause: str) -> Iterator[Answer]:
        """Give the future list that answers an event or a request, while the body runs."""
        place = (user_id, cause)
        answer: Answer = asyncio.get_running_loop().create_future()
        self._answers.setdefault(place, []).append(answer)
        with self._subscriptions.wanting(user_id):
            try:
                yield answer
            finally:
                self._answers[place].remove(answer)
                if not self._answers[place]:
                    del self._answers[place]

    def subscription(
        self, user_id: str | None, most_waiting: int = MOST_WAITING
    ) -> AbstractContextManager[Subscription[Recommendation]]:
        """Give the lists of a listener, or of all, while the context is open."""
        return self._subscriptions.subscription(user_id, most_waiting)

    def take(self, messages: Sequence[Message]) -> None:
        """Hand over the lists among messages; what is no list is passed over."""
        for message in messages:
            made = self._subscriptions.hand_over(message)
            if made is not None:
                self._answer(made)

    def end(self) -> None:
        """End all subscriptions."""
        self._subscriptions.end()

    def _answer(self, made: Recommendation) -> None:
        causes = [made.request_id, made.trigger.event_id if made.trigger else None, *made.passed_over]
        for cause in causes:
            for answer in self._answers.get((made.user_id, cause), ()) if cause is not None else ():
                if not answer.done():
                    answer.set_result(made)
