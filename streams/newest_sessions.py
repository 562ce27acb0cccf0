"""Where a request's listener stands: their newest session, of whatever partition.

A ranking worker that learns from everybody has it in memory, see `RunningSessions`.  One that learns from a share of
the listeners may have been assigned a partition this moment, and have days of it to read: Redis, where the session
agent keeps each listener's state with what they block, knows at once.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from musicrec.contracts import SessionSnapshot
from musicrec.errors import BadInput
from musicrec.ids import UserId
from musicrec.session import standing_session
from musicrec.settings import SessionSettings
from streams.session_store import SessionStore

Newest = Mapping[UserId, SessionSnapshot | BadInput | None]
"""By listener; None where there is none, the refusal where it cannot be read."""


class NewestSessions(Protocol):
    """Whoever knows the newest session of each listener."""

    async def newest(self, users: Sequence[UserId]) -> Newest:
        """Return the newest session of every listener.

        Raises:
            Unavailable: it cannot be asked for now.
        """


class StoredSessions:
    """Sessions that Redis holds."""

    def __init__(self, store: SessionStore, rules: SessionSettings) -> None:
        """Make a reader.

        Args:
            store: where the session agent keeps its states.
            rules: of sessions, the session agent's own.
        """
        self._store = store
        self._rules = rules

    async def newest(self, users: Sequence[UserId]) -> Newest:
        """Return what stands in Redis; see `NewestSessions`.

        Raises:
            Unavailable: Redis is away.
            Incompatible: a state was written by another release.
        """
        states = await self._store.load(users) if users else {}
        return {
            user: state if isinstance(state, BadInput) else standing_session(user, state, self._rules)
            for user, state in states.items()
        }
