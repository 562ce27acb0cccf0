"""Scrobbles as events: what the importers make of them, with what is known at the time.

A scrobble says that a track was heard, when that began and at best how long the track is.  It becomes a `play` of the
estimated length (`musicrec.importers.scrobbles`), with the id that an import of the same scrobble gives, never a skip.
Players send it when half of the track was heard, so its end may lie ahead of now: not by more than four minutes here,
which session workers tolerate.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from musicrec.contracts import ListenEvent
from musicrec.importers.event_order import events_of
from musicrec.importers.rows import LeftOut, Listen, Unreadable
from musicrec.importers.scrobbles import Scrobble, estimated_ms_played, listens_of_scrobbles
from streams.gateway.gateway import Gateway
from streams.gateway.problems import Problem, unavailable
from streams.gateway.publishing import published
from streams.gateway.tokens import Grant

FURTHEST_AHEAD_MS: Final = 240_000
"""Below the five minutes of `MUSICREC_SESSION__FUTURE_TOLERANCE_MS`."""


def events_in(scrobbles: Iterable[Scrobble | Unreadable | LeftOut], now_ms: int) -> list[ListenEvent]:
    """Return the events of one listener's scrobbles, in the order of time.

    Raises:
        Problem: one of them cannot be read; names its place and field.
    """
    rows = list(listens_of_scrobbles(_not_ahead(each, now_ms) for each in scrobbles))
    for row in rows:
        if isinstance(row, Unreadable):
            raise Problem(422, "invalid", f"{row.place}: {row.reason}")
    listens = sorted((row for row in rows if isinstance(row, Listen)), key=lambda listen: listen.ended_at_ms)
    return list(events_of(listens))


async def accept(gateway: Gateway, events: Sequence[ListenEvent]) -> None:
    """Publish events, all of which are right.

    Raises:
        Problem: of some it is not known whether the broker has them; sent again they count once.
        MusicrecError: nothing was published.
    """
    posted = await published(gateway, events, "listens")
    if posted.unknown:
        raise unavailable("the broker did not say whether it has all of it; send the same again, and it counts once")
    if posted.refused:
        raise Problem(422, "invalid", next(result.detail for result in posted.results if result.detail) or "refused")


def listener_who_scrobbles(grant: Grant) -> str:
    """Return whose scrobbles they are.

    Raises:
        Problem: the token is a platform's.
    """
    if grant.listener is None:
        raise Problem(403, "forbidden", "a scrobbler needs a listener's token; this one is a platform's")
    return grant.listener


def _not_ahead(row: Scrobble | Unreadable | LeftOut, now_ms: int) -> Scrobble | Unreadable | LeftOut:
    if not isinstance(row, Scrobble) or row.ms_played is not None:
        return row
    longest_ms = now_ms + FURTHEST_AHEAD_MS - row.started_at_ms
    estimate_ms = estimated_ms_played(None, row.listen.duration_ms)
    return row._replace(ms_played=longest_ms) if 0 < longest_ms < estimate_ms else row
