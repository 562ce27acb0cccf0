"""Distinct types for ids, and ids that are a function of their cause.

An id that is made again from the same event is the same id, so a message that is emitted twice after a crash can be
recognised by everyone who reads it.
"""

from hashlib import blake2b
from typing import NewType

UserId = NewType("UserId", str)
TrackId = NewType("TrackId", str)
ArtistId = NewType("ArtistId", str)
EventId = NewType("EventId", str)
SessionId = NewType("SessionId", str)
ListId = NewType("ListId", str)


def derived_id(prefix: str, *cause: str | int) -> str:
    """Return `prefix` + 24 hex digits that depend on every part of `cause` and on nothing else.

    The parts are length-prefixed before they are hashed, so ("ab", "c") and ("a", "bc") differ.

    >>> derived_id("s", "listener-1", 1700000000000) == derived_id("s", "listener-1", 1700000000000)
    True
    """
    digest = blake2b(digest_size=12)
    for part in cause:
        data = str(part).encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return f"{prefix}_{digest.hexdigest()}"
