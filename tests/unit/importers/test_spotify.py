"""Both of Spotify's exports."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from musicrec.contracts import EventType
from musicrec.importers import ImportReport, LeftOut, Listen, Unreadable, in_time_order, readable
from musicrec.importers.spotify import parse_entry, read_spotify, was_skipped

URI = "spotify:track:74cksX4vgcm0cHKaV7XE2L"


def extended(ts: str = "2020-04-11T00:27:53Z", **fields: Any) -> dict[str, Any]:
    return {
        "ts": ts,
        "username": "ann",
        "ms_played": 174_674,
        "master_metadata_track_name": "Jack to the Future",
        "master_metadata_album_artist_name": "Alex Metric",
        "master_metadata_album_album_name": "Jack",
        "spotify_track_uri": URI,
        "episode_name": None,
        "spotify_episode_uri": None,
        "reason_start": "trackdone",
        "reason_end": "trackdone",
        "skipped": False,
    } | fields


def account(minute: str = "2021-01-31 12:34", title: str = "Strangers", ms_played: int = 200_000) -> dict[str, Any]:
    return {"endTime": minute, "artistName": "Portishead", "trackName": title, "msPlayed": ms_played}


def test_extended_history_gives_the_end_the_uri_and_the_names() -> None:
    row = parse_entry("f", extended(), None)

    assert isinstance(row, Listen)
    assert (row.user_id, row.ended_at_ms, row.ms_played) == ("ann", 1_586_564_873_000, 174_674)
    assert (row.track_id, row.title, row.artist_name, row.album) == (URI, "Jack to the Future", "Alex Metric", "Jack")
    assert not row.skipped


def test_account_data_gives_the_minute_and_ids_from_names() -> None:
    row = parse_entry("f", account(), "ann")

    assert isinstance(row, Listen)
    assert (row.ended_at_ms, row.ms_played, row.skipped) == (1_612_096_440_000, 200_000, False)
    assert row.track_id.startswith("t_")
    assert (row.title, row.artist_name) == ("Strangers", "Portishead")


@pytest.mark.parametrize(
    ("reason_end", "skipped", "expected"),
    [
        ("fwdbtn", True, True),
        ("fwdbtn", None, True),
        ("endplay", True, True),
        ("endplay", False, False),
        ("backbtn", False, False),
        ("trackdone", True, False),
        ("", None, False),
        ("", True, True),
    ],
)
def test_the_forward_button_is_a_skip_and_a_finished_track_is_not(
    reason_end: str, skipped: bool | None, expected: bool
) -> None:
    assert was_skipped(reason_end, skipped) is expected


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            extended(spotify_track_uri=None, episode_name="One", spotify_episode_uri="spotify:episode:1"),
            "podcast episode",
        ),
        (extended(audiobook_uri="spotify:show:1"), "audiobook chapter"),
        (extended(spotify_track_uri=None, master_metadata_track_name=None), "track not named"),
        ({"endTime": "2021-01-31 12:34", "podcastName": "P", "episodeName": "E", "msPlayed": 1}, "podcast episode"),
        (account(title=""), "track not named"),
    ],
)
def test_what_is_no_track_is_left_out_by_its_kind(entry: dict[str, Any], reason: str) -> None:
    assert parse_entry("f", entry, "ann") == LeftOut("f", reason)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("text", "a JSON object is needed"),
        ({}, "neither ts"),
        (extended(ts="2020-04-11 00:27:53"), "is no UTC time"),
        (extended(ms_played=None), "ms_played: missing"),
        (extended(ms_played=-5), "-5 ms played"),
        (extended(username=None), "give --user"),
        (account(minute="31.01.2021"), "is no time like"),
    ],
)
def test_malformed_rows_are_named_with_the_field(entry: Any, reason: str) -> None:
    row = parse_entry("f", entry, None if entry != account(minute="31.01.2021") else "ann")

    assert isinstance(row, Unreadable)
    assert reason in row.reason


def test_a_local_file_with_a_long_uri_is_known_by_its_names() -> None:
    row = parse_entry("f", extended(spotify_track_uri="spotify:local:" + "a" * 400), None)

    assert isinstance(row, Listen)
    assert row.track_id.startswith("t_")


def test_the_zip_as_it_came_is_read_and_other_files_in_it_are_not(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "my_spotify_data.zip", "w") as archive:
        archive.writestr("Spotify Account Data/StreamingHistory_music_0.json", json.dumps([account()]))
        archive.writestr("Spotify Account Data/Playlist1.json", json.dumps({"playlists": []}))
        archive.writestr(
            "Spotify Extended Streaming History/Streaming_History_Audio_2020_0.json", json.dumps([extended()])
        )
        archive.writestr(
            "Spotify Extended Streaming History/Streaming_History_Video_2020.json", json.dumps([extended()])
        )
        archive.writestr("MyData/endsong_0.json", json.dumps([extended()]))

    assert [type(row) for row in read_spotify([tmp_path / "my_spotify_data.zip"], user_id="ann")] == [Listen] * 3


def test_plays_of_one_minute_keep_their_order_and_repeated_rows_count_once(tmp_path: Path) -> None:
    titles = ["c", "a", "b"]
    path = tmp_path / "StreamingHistory0.json"
    path.write_text(json.dumps([account(title=title) for title in titles] + [account(title="c")]))
    report = ImportReport()

    rows = list(readable(read_spotify([path], user_id="ann"), report))
    events = sorted(in_time_order(rows, report=report), key=lambda event: event.event_id)

    assert [event.track_id for event in events] == [row.track_id for row in rows[:3]]
    assert report.repeated == 1


def test_a_skip_becomes_a_skip_event() -> None:
    row = parse_entry("f", extended(reason_end="fwdbtn", ms_played=4_000), None)
    assert isinstance(row, Listen)

    (event,) = in_time_order([row])

    assert (event.type, event.ms_played) == (EventType.SKIP, 4_000)


def test_a_file_that_is_no_array_is_named(tmp_path: Path) -> None:
    (tmp_path / "endsong_0.json").write_text("{}")
    (tmp_path / "endsong_1.json").write_text("[")

    reasons = [row.reason for row in read_spotify([tmp_path]) if isinstance(row, Unreadable)]

    assert reasons[0] == "a JSON array is needed, not dict"
    assert reasons[1].startswith("not JSON")
