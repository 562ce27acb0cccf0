"""Last.fm-1K: the listening histories of 992 people until May 2009, one scrobble a line.

`userid <TAB> timestamp <TAB> artist MBID <TAB> artist name <TAB> track MBID <TAB> track name`, UTF-8, without a header,
one listener after the other, newest first.  The time is UTC and the START of the listen, as in all of Last.fm.
Quotation marks are part of a name and quote nothing: a CSV reader would swallow thousands of lines.  An MBID may be
missing; the track is then known by its names.

Source: O. Celma, Music Recommendation and Discovery (2010); README of the data set.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from musicrec.importers.names import artist_id_of, track_id_of
from musicrec.importers.rows import Listen, Row, Unreadable
from musicrec.importers.scrobbles import Scrobble, listens_of_scrobbles
from musicrec.importers.sources import Line, lines, open_sources

FIELDS: Final = 6
MBID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read_lastfm_1k(paths: Sequence[Path], *, user_id: str | None = None) -> Iterator[Row]:
    """Yield the rows of the data set's TSV, also inside its tar, a zip or a folder.

    Args:
        paths: files, folders or archives.
        user_id: keep this listener only.
    """
    return listens_of_scrobbles(
        row
        for row in _scrobbles(paths)
        if user_id is None or not isinstance(row, Scrobble) or row.listen.user_id == user_id
    )


def parse_line(line: Line) -> Scrobble | Unreadable:
    """Read one line."""
    fields = line.text.split("\t")
    if len(fields) != FIELDS:
        return Unreadable(line.place, f"{len(fields)} tab-separated fields; {FIELDS} are needed")
    user_id, time, artist_mbid, artist_name, track_mbid, title = (field.strip() for field in fields)
    started_at_ms = parse_utc(time)
    if started_at_ms is None:
        return Unreadable(line.place, f"{time[:40]!r} is no UTC time like 2009-04-08T01:57:47Z")
    if not user_id:
        return Unreadable(line.place, "no user id")
    if not title and not MBID.fullmatch(track_mbid):
        return Unreadable(line.place, "neither a track name nor a track MBID")
    listen = Listen(
        user_id=user_id,
        ended_at_ms=0,
        ms_played=0,
        track_id=track_mbid if MBID.fullmatch(track_mbid) else track_id_of(artist_name, title),
        artist_id=_artist_id(artist_mbid, artist_name),
        title=title,
        artist_name=artist_name,
    )
    return Scrobble(line.place, started_at_ms, None, listen)


def parse_utc(text: str) -> int | None:
    """Return an ISO 8601 time in epoch milliseconds; None without a time zone, or if it is none.

    >>> parse_utc("2009-04-08T01:57:47Z"), parse_utc("2009-04-08T01:57:47"), parse_utc("yesterday")
    (1239155867000, None, None)
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.tzinfo is None else round(time.timestamp() * 1_000)


def _scrobbles(paths: Sequence[Path]) -> Iterator[Scrobble | Unreadable]:
    for source in open_sources(paths, _is_wanted):
        for line in lines(source):
            yield line if isinstance(line, Unreadable) else parse_line(line)


def _is_wanted(name: str) -> bool:
    # userid-profile.tsv lies beside it.
    return name.endswith(".tsv") and not name.startswith("userid-profile")


def _artist_id(mbid: str, name: str) -> str | None:
    if MBID.fullmatch(mbid):
        return mbid
    return artist_id_of(name) if name else None
