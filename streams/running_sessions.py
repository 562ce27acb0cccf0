"""The newest snapshot of each listener, for requests that ask to continue a session."""

from collections import OrderedDict

from musicrec.contracts import SessionSnapshot

MAX_LISTENERS = 100_000
"""About 2 kB each; the longest idle goes first."""


class RunningSessions:
    """Bounded memory of newest snapshots."""

    def __init__(self, limit: int = MAX_LISTENERS) -> None:
        self._limit = limit
        self._newest: OrderedDict[str, SessionSnapshot] = OrderedDict()

    def put(self, snapshot: SessionSnapshot) -> None:
        """Keep the snapshot unless a newer one of the listener is known."""
        known = self._newest.get(snapshot.user_id)
        if known is not None and _is_repetition(snapshot, known):
            return
        self._newest[snapshot.user_id] = snapshot
        self._newest.move_to_end(snapshot.user_id)
        if len(self._newest) > self._limit:
            self._newest.popitem(last=False)

    def get(self, user_id: str) -> SessionSnapshot | None:
        """Return the listener's newest snapshot, or None."""
        return self._newest.get(user_id)


def _is_repetition(snapshot: SessionSnapshot, known: SessionSnapshot) -> bool:
    """Whether a snapshot was seen before, or an even newer one.

    A lower revision with a newer event is no repetition: the session store lost its state and counts anew.
    """
    return snapshot.revision <= known.revision and snapshot.trigger.occurred_at_ms <= known.trigger.occurred_at_ms
