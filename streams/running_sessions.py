"""The newest snapshot of each listener, for requests that ask to continue a session."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import starmap
from typing import NamedTuple

import numpy as np

from musicrec.contracts import SessionSnapshot
from musicrec.ids import UserId
from musicrec.recommend.state import Pieces, State, batches, texts

MAX_LISTENERS = 100_000
"""About 2 kB each; the longest idle goes first."""


class RunningSession(NamedTuple):
    """A snapshot as it came: few are ever asked for, and decoded it would take ten times the memory."""

    revision: int
    occurred_at_ms: int
    value: bytes


class RunningSessions:
    """Bounded memory of newest snapshots."""

    def __init__(self, limit: int = MAX_LISTENERS) -> None:
        self._limit = limit
        self._newest: OrderedDict[str, RunningSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._newest)

    def put(self, snapshot: SessionSnapshot, value: bytes) -> None:
        """Keep the snapshot, which came as `value`, unless a newer one of the listener is known."""
        known, session = self._newest.get(snapshot.user_id), _running(snapshot, value)
        if known is not None and _is_repetition(session, known):
            return
        self._newest[snapshot.user_id] = session
        self._newest.move_to_end(snapshot.user_id)
        if len(self._newest) > self._limit:
            self._newest.popitem(last=False)

    def get(self, user_id: str) -> SessionSnapshot | None:
        """Return the listener's newest snapshot, or None."""
        session = self._newest.get(user_id)
        return None if session is None else SessionSnapshot.decode(session.value)

    async def newest(self, users: Sequence[UserId]) -> dict[UserId, SessionSnapshot | None]:
        """Return the newest snapshot of every listener; see `NewestSessions`."""
        return {user: self.get(user) for user in users}

    def state(self) -> Pieces:
        """Yield the snapshots, the longest idle first; see `Stateful`."""
        for batch in batches(self._newest.items()):
            sessions = [session for _, session in batch]
            yield from texts("user_ids", [user_id for user_id, _ in batch])
            yield "numbers", np.array([session[:2] for session in sessions], np.int64).reshape(-1, 2)
            yield "values", np.frombuffer(b"".join(session.value for session in sessions), np.uint8)
            yield "value_bytes", np.array([len(session.value) for session in sessions], np.int32)

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        user_ids = state.texts("user_ids")
        numbers = state.array("numbers", np.int64, len(user_ids), 2).tolist()
        lengths = state.array("value_bytes", np.int32, len(user_ids)).tolist()
        values = state.split("values", state.array("values", np.uint8, None).data, lengths)
        sessions = starmap(RunningSession, ((*row, bytes(value)) for row, value in zip(numbers, values, strict=True)))
        self._newest = OrderedDict(zip(user_ids, sessions, strict=True))


def _running(snapshot: SessionSnapshot, value: bytes) -> RunningSession:
    return RunningSession(snapshot.revision, snapshot.trigger.occurred_at_ms, value)


def _is_repetition(session: RunningSession, known: RunningSession) -> bool:
    """Whether a snapshot was seen before, or an even newer one.

    A lower revision with a newer event is no repetition: the session store lost its state and counts anew.
    """
    return session.revision <= known.revision and session.occurred_at_ms <= known.occurred_at_ms
