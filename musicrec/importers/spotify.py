"""Spotify's exports: "account data" (a year, by the minute) and "extended streaming history" (all, by the second).

| | account data | extended |
|---|---|---|
| files | `StreamingHistory*.json` | `Streaming_History_Audio_*.json`, `endsong_*.json` |
| time | `endTime`: END of the listen, UTC, minutes | `ts`: END of the listen, UTC |
| played | `msPlayed` | `ms_played` |
| track | names only | `spotify_track_uri` and names |
| skip | not told | `reason_end` is `fwdbtn`, or `skipped` is true |

Plays of one minute keep the order of the file.  Podcasts, audiobooks and videos are left out.  Extended histories hold
some listens twice; these are imported once.  `ts` of an offline listen is taken as it is.

Source: Spotify support, "Understanding my data".
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musicrec.importers.json_fields import JsonObject, number_field, text_field
from musicrec.importers.lastfm_1k import parse_utc
from musicrec.importers.names import artist_id_of, track_id_of
from musicrec.importers.rows import LeftOut, Listen, Row, Unreadable, checked
from musicrec.importers.sources import Source, document, open_sources

MAX_URI_CHARS = 200
"""Longer ones are local files, whose URI spells out artist, album and title; they are known by their names."""


def read_spotify(paths: Sequence[Path], *, user_id: str | None = None) -> Iterator[Row]:
    """Yield the rows of both kinds of export.

    Args:
        paths: the zip as it came, folders, or single files.
        user_id: the listener; where none is given, each row has to name its own (`username`, extended only).
    """
    for source in open_sources(paths, _is_wanted):
        for place, entry in _entries(source):
            yield entry if isinstance(entry, Unreadable) else parse_entry(place, entry, user_id)


def parse_entry(place: str, entry: Any, user_id: str | None) -> Row:
    """Read one row of either kind."""
    if not isinstance(entry, dict):
        return Unreadable(place, f"a JSON object is needed, not {type(entry).__name__}")
    try:
        if "ts" in entry:
            return _extended(place, entry, user_id)
        if "endTime" in entry:
            return _account(place, entry, user_id)
    except ValueError as error:
        return Unreadable(place, str(error))
    return Unreadable(place, "neither ts (extended history) nor endTime (account data)")


def was_skipped(reason_end: str, skipped: object) -> bool:
    """Return whether the listener pressed skip.

    A track that ended by itself was not skipped whatever `skipped` says; both fields are empty for whole years of some
    exports, and a listen is then told by its length alone.
    """
    return reason_end != "trackdone" and (skipped is True or reason_end == "fwdbtn")


def _extended(place: str, entry: JsonObject, user_id: str | None) -> Row:
    if text_field(entry, "spotify_episode_uri") or text_field(entry, "episode_name"):
        return LeftOut(place, "podcast episode")
    if text_field(entry, "audiobook_uri") or text_field(entry, "audiobook_chapter_uri"):
        return LeftOut(place, "audiobook chapter")
    title = text_field(entry, "master_metadata_track_name")
    artist_name = text_field(entry, "master_metadata_album_artist_name")
    uri = text_field(entry, "spotify_track_uri")
    if not uri and not title:
        return LeftOut(place, "track not named")
    time = text_field(entry, "ts")
    ended_at_ms = parse_utc(time)
    if ended_at_ms is None:
        raise ValueError(f"ts: {time[:40]!r} is no UTC time like 2023-01-31T12:34:56Z")
    listen = Listen(
        user_id=_listener(user_id or text_field(entry, "username")),
        ended_at_ms=ended_at_ms,
        ms_played=_ms_played(entry, "ms_played"),
        track_id=uri if uri and len(uri) <= MAX_URI_CHARS else track_id_of(artist_name, title),
        artist_id=artist_id_of(artist_name) if artist_name else None,
        skipped=was_skipped(text_field(entry, "reason_end"), entry.get("skipped")),
        title=title,
        artist_name=artist_name,
        album=text_field(entry, "master_metadata_album_album_name"),
    )
    return checked(place, listen)


def _account(place: str, entry: JsonObject, user_id: str | None) -> Row:
    if "episodeName" in entry or "podcastName" in entry:
        return LeftOut(place, "podcast episode")
    title, artist_name = text_field(entry, "trackName"), text_field(entry, "artistName")
    if not title:
        return LeftOut(place, "track not named")
    time = text_field(entry, "endTime")
    try:
        ended_at = datetime.strptime(time, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"endTime: {time[:40]!r} is no time like 2023-01-31 12:34") from None
    listen = Listen(
        user_id=_listener(user_id),
        ended_at_ms=round(ended_at.timestamp() * 1_000),
        ms_played=_ms_played(entry, "msPlayed"),
        track_id=track_id_of(artist_name, title),
        artist_id=artist_id_of(artist_name) if artist_name else None,
        title=title,
        artist_name=artist_name,
    )
    return checked(place, listen)


def _listener(user_id: str | None) -> str:
    if not user_id:
        raise ValueError("the export does not say whose it is: give --user")
    return user_id


def _ms_played(entry: JsonObject, name: str) -> int:
    ms_played = number_field(entry, name)
    if ms_played is None:
        raise ValueError(f"{name}: missing")
    return round(ms_played)


def _entries(source: Source) -> Iterator[tuple[str, Any]]:
    try:
        value = json.loads(document(source).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        yield source.name, Unreadable(source.name, f"not JSON: {error}")
        return
    if not isinstance(value, list):
        yield source.name, Unreadable(source.name, f"a JSON array is needed, not {type(value).__name__}")
        return
    for number, entry in enumerate(value, start=1):
        yield f"{source.name}: entry {number}", entry


def _is_wanted(name: str) -> bool:
    # "Streaming_History_Video_*" holds music videos too, but says so nowhere.
    return name.endswith(".json") and name.startswith(("StreamingHistory", "Streaming_History_Audio", "endsong"))
