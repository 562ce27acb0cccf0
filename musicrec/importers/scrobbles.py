"""Listens that are known by their START: how long they lasted has to be estimated.

Last.fm and ListenBrainz record a listen once half of the track or four minutes of it were heard, whichever comes first,
and only of tracks longer than 30 seconds.  What follows from that, where the source does not give the time played:

    ms_played = the time until the listener's next listen starts,
                at most the track's duration, or four minutes where it is not known,
                at least 30 seconds (or the duration, if that is shorter):

a scrobble is proof that the track was heard, so no estimate may look like an early skip.

Source: Last.fm API documentation, "Scrobbling: when is a scrobble a scrobble?".
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from musicrec.importers.rows import LeftOut, Listen, Row, Unreadable, checked

LONGEST_ESTIMATE_MS: Final = 240_000
"""Four minutes: the most that a scrobble proves."""
SHORTEST_ESTIMATE_MS: Final = 30_000
"""Shorter tracks are not scrobbled; also the limit below which a listen counts as skipped early."""


class Scrobble(NamedTuple):
    """A listen by its start."""

    place: str
    """Where it stands in the source."""
    started_at_ms: int
    """START of the listen, epoch milliseconds UTC."""
    ms_played: int | None
    """How long it lasted, where the source says so."""
    listen: Listen
    """All else; its `ended_at_ms` and `ms_played` are not known yet."""


def estimated_ms_played(gap_ms: int | None, duration_ms: int | None) -> int:
    """Return how long a scrobbled listen lasted, milliseconds.

    Args:
        gap_ms: time until the same listener's next listen starts; None after the last.
        duration_ms: length of the track, where it is known.

    >>> estimated_ms_played(200_000, None), estimated_ms_played(3_600_000, None), estimated_ms_played(5_000, None)
    (200000, 240000, 30000)
    """
    longest_ms = LONGEST_ESTIMATE_MS if duration_ms is None else duration_ms
    shortest_ms = min(SHORTEST_ESTIMATE_MS, longest_ms)
    return longest_ms if gap_ms is None else max(shortest_ms, min(gap_ms, longest_ms))


def listens_of_scrobbles(rows: Iterable[Scrobble | Unreadable | LeftOut]) -> Iterator[Row]:
    """Give every scrobble its end; other rows pass through.

    One listener's rows are held in memory until another's begin, and put in order there, whatever order they had.
    Where the rows run from new to old, so do those of one second.
    """
    held: list[Scrobble] = []
    for row in rows:
        if not isinstance(row, Scrobble):
            yield row
            continue
        if held and held[0].listen.user_id != row.listen.user_id:
            yield from _ended(held)
            held = []
        held.append(row)
    yield from _ended(held)


def _ended(scrobbles: list[Scrobble]) -> Iterator[Row]:
    if not scrobbles:
        return
    if scrobbles[0].started_at_ms > scrobbles[-1].started_at_ms:
        scrobbles = scrobbles[::-1]
    in_order = sorted(scrobbles, key=lambda scrobble: scrobble.started_at_ms)
    once: list[Scrobble] = []
    for _, same_second in groupby(in_order, key=lambda scrobble: scrobble.started_at_ms):
        tracks: set[str] = set()
        for scrobble in same_second:
            if scrobble.listen.track_id in tracks:
                yield LeftOut(scrobble.place, "sent twice")
                continue
            tracks.add(scrobble.listen.track_id)
            once.append(scrobble)
    for scrobble, following in zip(once, [*once[1:], None], strict=True):
        yield _with_end(scrobble, None if following is None else following.started_at_ms - scrobble.started_at_ms)


def _with_end(scrobble: Scrobble, gap_ms: int | None) -> Listen | Unreadable:
    ms_played = scrobble.ms_played
    if ms_played is None:
        ms_played = estimated_ms_played(gap_ms, scrobble.listen.duration_ms)
    ended_at_ms = scrobble.started_at_ms + ms_played
    listen = scrobble.listen._replace(ended_at_ms=ended_at_ms, ms_played=ms_played, known_by_start=True)
    return checked(scrobble.place, listen)
