"""ListenBrainz listens: the export of an account (JSON lines, in a zip) and answers of the API.

`listened_at` is the START of playback in Unix seconds.  `additional_info` may hold `duration_ms` or `duration`
(seconds), and `duration_played` (seconds).  What is playing right now has no `listened_at` and is left out.

Source: ListenBrainz documentation, "JSON documentation" and "Core API".
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from musicrec.importers.json_fields import JsonObject, number_field, object_field, text_field
from musicrec.importers.names import artist_id_of, track_id_of
from musicrec.importers.rows import LONGEST_MS, LeftOut, Listen, Row, Unreadable
from musicrec.importers.scrobbles import Scrobble, listens_of_scrobbles
from musicrec.importers.sources import Line, Source, document, lines, open_sources

NOT_LISTENS = frozenset({"user.json", "feedback.jsonl", "pinned_recording.jsonl"})
"""Other files of an export."""


def read_listenbrainz(paths: Sequence[Path], *, user_id: str | None = None) -> Iterator[Row]:
    """Yield the listens of exports and API answers.

    Args:
        paths: files, folders or archives.
        user_id: the listener; where none is given, each listen has to name its own (`user_name`).
    """
    return listens_of_scrobbles(
        parse_listen(place, entry, user_id) if not isinstance(entry, Unreadable) else entry
        for source in open_sources(paths, _is_wanted)
        for place, entry in _entries(source)
    )


def parse_listen(place: str, entry: Any, user_id: str | None) -> Scrobble | Unreadable | LeftOut:
    """Read one listen."""
    if not isinstance(entry, dict):
        return Unreadable(place, f"a JSON object is needed, not {type(entry).__name__}")
    if entry.get("playing_now"):
        return LeftOut(place, "playing now")
    try:
        return _scrobble(place, entry, user_id)
    except ValueError as error:
        return Unreadable(place, str(error))


def _scrobble(place: str, entry: JsonObject, user_id: str | None) -> Scrobble:
    started_at_s = number_field(entry, "listened_at")
    if started_at_s is None:
        raise ValueError("listened_at: missing")
    metadata = object_field(entry, "track_metadata")
    info = object_field(metadata, "additional_info")
    title, artist_name = text_field(metadata, "track_name"), text_field(metadata, "artist_name")
    recording = text_field(info, "recording_mbid") or text_field(
        object_field(metadata, "mbid_mapping"), "recording_mbid"
    )
    if not recording and not title:
        raise ValueError("track_metadata: neither track_name nor recording_mbid")
    listener = user_id or text_field(entry, "user_name")
    if not listener:
        raise ValueError("user_name: missing; say whose listens these are with --user")
    played_s = number_field(info, "duration_played")
    listen = Listen(
        user_id=listener,
        ended_at_ms=0,
        ms_played=0,
        track_id=recording or track_id_of(artist_name, title),
        artist_id=_artist_id(metadata, info, artist_name),
        duration_ms=_duration_ms(info),
        title=title,
        artist_name=artist_name,
        album=text_field(metadata, "release_name"),
    )
    ms_played = None if played_s is None else round(played_s * 1_000)
    return Scrobble(place, round(started_at_s * 1_000), ms_played, listen)


def _artist_id(metadata: JsonObject, info: JsonObject, artist_name: str) -> str | None:
    """Return the first of the credited artists, as the artist cap and blocked artists need one."""
    for holder in (info, object_field(metadata, "mbid_mapping")):
        mbids = holder.get("artist_mbids")
        if isinstance(mbids, list) and mbids:
            return text_field({"artist_mbids": mbids[0]}, "artist_mbids") or None
    return artist_id_of(artist_name) if artist_name else None


def _duration_ms(info: JsonObject) -> int | None:
    duration_ms = number_field(info, "duration_ms")
    if duration_ms is None:
        duration_s = number_field(info, "duration")
        duration_ms = None if duration_s is None else duration_s * 1_000
    # Players send 0 for streams of unknown length.
    return round(duration_ms) if duration_ms is not None and 1 <= duration_ms <= LONGEST_MS else None


def _entries(source: Source) -> Iterator[tuple[str, Any]]:
    """Yield the listens of a file: one a line, or one document that holds an array or an answer of the API."""
    if source.name.removesuffix(".gz").endswith(".json"):
        yield from _entries_of_document(source)
        return
    for line in lines(source):
        if isinstance(line, Unreadable):
            yield line.place, line
        elif line.text.strip():
            yield from _entries_of_line(line)


def _entries_of_line(line: Line) -> Iterator[tuple[str, Any]]:
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        yield line.place, Unreadable(line.place, f"not JSON: {error}")
        return
    for _, entry in _listens_in(value):
        yield line.place, entry


def _entries_of_document(source: Source) -> Iterator[tuple[str, Any]]:
    data = document(source)
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if b"\n{" in data.strip():  # JSON lines under another name
            for number, text in enumerate(data.decode("utf-8-sig", errors="replace").split("\n"), start=1):
                if text.strip():
                    yield from _entries_of_line(Line(f"{source.name}:{number}", text))
            return
        yield source.name, Unreadable(source.name, f"not JSON: {error}")
        return
    for number, entry in _listens_in(value):
        yield f"{source.name}: listen {number}", entry


def _listens_in(value: Any) -> Iterator[tuple[int, Any]]:
    if isinstance(value, dict) and isinstance(value.get("payload"), dict):
        value = value["payload"].get("listens")
    yield from enumerate(value if isinstance(value, list) else [value], start=1)


def _is_wanted(name: str) -> bool:
    return name.endswith((".jsonl", ".json", ".listens")) and name not in NOT_LISTENS
