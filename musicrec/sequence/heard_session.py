"""What one listener heard in a session, as a network learns from it."""

from collections.abc import Sequence
from typing import NamedTuple

from musicrec.sequence.contexts import UNKNOWN_CONTEXT


class HeardSession(NamedTuple):
    """Plays of one session, the oldest first."""

    tracks: list[str]
    """Ids; a track that is played again at once counts once."""
    contexts: list[int]
    """How each was heard; see `contexts.py`."""
    ended_at_ms: int
    """Event time of the newest play, epoch milliseconds."""

    @classmethod
    def plain(cls, tracks: Sequence[str], ended_at_ms: int = 0) -> "HeardSession":
        """Return a session of which nothing but its tracks is known."""
        return cls(list(tracks), [UNKNOWN_CONTEXT] * len(tracks), ended_at_ms)
