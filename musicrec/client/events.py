"""Events as a platform makes them: with an id of their own, and of now where nothing else is said."""

import time
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput


def play(
    user_id: str,
    track_id: str,
    *,
    ms_played: int,
    artist_id: str | None = None,
    duration_ms: int | None = None,
    ended_at_ms: int | None = None,
    source: str | None = None,
    market: str | None = None,
    event_id: str | None = None,
) -> ListenEvent:
    """Return a listen that ended by itself.

    Args:
        user_id, track_id, artist_id: the platform's own ids.
        ms_played: how long it lasted, milliseconds.
        duration_ms: how long the track is, milliseconds.
        ended_at_ms: when it ENDED, epoch milliseconds UTC; None for now.
        source: where it was played from; the id of a list of musicrec tells that the list was followed.
        market: where the listener is, ISO 3166-1 alpha-2.
        event_id: unique; None makes one.  An event that may have been published already is published again with the
            same id, and applied once.

    Raises:
        BadInput: a value breaks the contract; names the field.
    """
    return _event(
        EventType.PLAY,
        user_id,
        ended_at_ms,
        event_id,
        track_id=track_id,
        ms_played=ms_played,
        artist_id=artist_id,
        duration_ms=duration_ms,
        source=source,
        market=market,
    )


def skip(
    user_id: str,
    track_id: str,
    *,
    ms_played: int,
    artist_id: str | None = None,
    duration_ms: int | None = None,
    ended_at_ms: int | None = None,
    source: str | None = None,
    market: str | None = None,
    event_id: str | None = None,
) -> ListenEvent:
    """Return a listen that the listener ended with the skip button; arguments as of `play`."""
    return _event(
        EventType.SKIP,
        user_id,
        ended_at_ms,
        event_id,
        track_id=track_id,
        ms_played=ms_played,
        artist_id=artist_id,
        duration_ms=duration_ms,
        source=source,
        market=market,
    )


def feedback(
    user_id: str,
    kind: EventType,
    *,
    track_id: str | None = None,
    artist_id: str | None = None,
    discovery: float | None = None,
    occurred_at_ms: int | None = None,
    market: str | None = None,
    event_id: str | None = None,
) -> ListenEvent:
    """Return an expression of taste.

    Args:
        user_id: the listener.
        kind: a like, a block, the discovery dial; what each needs says `ListenEvent`.
        track_id, artist_id: what it is about.
        discovery: where the dial stands now, from -1 to 1.
        occurred_at_ms: epoch milliseconds UTC; None for now.
        market: as of `play`.
        event_id: as of `play`.

    Raises:
        BadInput: a value breaks the contract, or is missing; names the field.
    """
    return _event(
        kind,
        user_id,
        occurred_at_ms,
        event_id,
        track_id=track_id,
        artist_id=artist_id,
        discovery=discovery,
        market=market,
    )


def now_ms() -> int:
    """Return the time, epoch milliseconds UTC."""
    return time.time_ns() // 1_000_000


def _event(
    kind: EventType, user_id: str, occurred_at_ms: int | None, event_id: str | None, **fields: Any
) -> ListenEvent:
    try:
        return ListenEvent(
            event_id=event_id or str(uuid4()),
            user_id=user_id,
            type=kind,
            occurred_at_ms=now_ms() if occurred_at_ms is None else occurred_at_ms,
            **fields,
        )
    except ValidationError as error:
        raise refused_fields(error) from None


def refused_fields(error: ValidationError) -> BadInput:
    """Return the error that names the first field that was refused, and its value."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return BadInput(f"{where}: {first['msg']}, not {first['input']!r}" if where else first["msg"])
