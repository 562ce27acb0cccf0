"""The ranking workers of a deployment, each of which learns from a share of the listeners and from its own.

A worker answers its listeners, and learns from them and from one in so many of all, the same for every worker; what
streams/learned_partitions.py does with partitions is done here with listeners.
"""

from collections.abc import Callable, Sequence

from musicrec.contracts import SessionSnapshot
from musicrec.recommend import Recommender

PlaceOf = Callable[[str], int]
"""Returns a listener's hash, as publishers take it for their partition: not negative."""


class SharedLearning:
    """Recommenders of workers.

    Attributes:
        workers: one each.
    """

    def __init__(self, workers: Sequence[Recommender], *, one_in: int = 1, place_of: PlaceOf = lambda _: 0) -> None:
        """Share listeners out.

        Args:
            workers: that have learned the same so far.
            one_in: all learn from one listener in so many.
            place_of: decides to whom a listener belongs.
        """
        self.workers = list(workers)
        self._one_in = one_in
        self._place_of = place_of

    def answering(self, user_id: str) -> Recommender:
        """Return the worker that answers a listener."""
        # Not by the remainder that decides on the share: each worker has as many listeners in it as any other.
        return self.workers[self._place_of(user_id) // self._one_in % len(self.workers)]

    def learn(self, snapshot: SessionSnapshot) -> None:
        """Let those learn who do."""
        if self._place_of(snapshot.user_id) % self._one_in == 0:
            for worker in self.workers:
                worker.learn(snapshot)
        else:
            self.answering(snapshot.user_id).learn(snapshot)

    @property
    def known_tracks(self) -> int:
        """How many tracks the worker knows that knows the most."""
        return max(len(worker.knowledge.catalogue) for worker in self.workers)
