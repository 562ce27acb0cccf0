"""ListenBrainz listens, from exports and from the API."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from musicrec.importers import LeftOut, Listen, Row, Unreadable
from musicrec.importers.listenbrainz import parse_listen, read_listenbrainz
from musicrec.importers.scrobbles import Scrobble

NOON_S = 1_600_000_000


def listen(listened_at: object = NOON_S, user: str | None = "ann", **info: Any) -> dict[str, Any]:
    metadata = {
        "artist_name": "Portishead",
        "track_name": "Strangers",
        "release_name": "Dummy",
        "additional_info": info,
    }
    return {"listened_at": listened_at, "track_metadata": metadata} | ({"user_name": user} if user else {})


def read(path: Path, content: object, user_id: str | None = None) -> list[Row]:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return list(read_listenbrainz([path], user_id=user_id))


def test_listened_at_is_the_start_and_duration_played_gives_the_end(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.jsonl", listen(duration_played=120, duration_ms=237_000))

    assert isinstance(row, Listen)
    assert (row.ended_at_ms, row.ms_played, row.duration_ms) == ((NOON_S + 120) * 1_000, 120_000, 237_000)
    assert (row.title, row.artist_name, row.album) == ("Strangers", "Portishead", "Dummy")


@pytest.mark.parametrize(
    ("info", "duration_ms"),
    [
        ({"duration_ms": 237_000}, 237_000),
        ({"duration": 237}, 237_000),
        ({"duration": 236.5}, 236_500),
        ({"duration": "237"}, 237_000),
        ({"duration": 0}, None),
        ({}, None),
    ],
)
def test_durations_come_in_seconds_or_milliseconds(info: dict[str, Any], duration_ms: int | None) -> None:
    row = parse_listen("f:1", listen(**info), None)

    assert isinstance(row, Scrobble)
    assert row.listen.duration_ms == duration_ms


def test_export_lines_api_answers_and_arrays_hold_the_same_listens(tmp_path: Path) -> None:
    entries = [listen(NOON_S + 300), listen(NOON_S)]
    answer = {"payload": {"count": 2, "user_id": "ann", "listens": entries}}

    from_lines = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, entries)))
    assert len(from_lines) == 2
    assert read(tmp_path / "b.json", answer) == from_lines
    assert read(tmp_path / "c.json", json.dumps(answer, indent=2)) == from_lines
    assert read(tmp_path / "d.json", entries) == from_lines
    assert read(tmp_path / "e.json", "\n".join(map(json.dumps, entries))) == from_lines


def test_an_export_is_read_from_its_zip_and_needs_the_listeners_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "listenbrainz_ann.zip", "w") as archive:
        archive.writestr("user.json", json.dumps({"user_id": 1, "username": "ann"}))
        archive.writestr("feedback.jsonl", json.dumps({"recording_mbid": "x", "score": 1}))
        archive.writestr("listens/2020/9.jsonl", json.dumps(listen(NOON_S, None)))
        archive.writestr("listens/2020/10.jsonl", json.dumps(listen(NOON_S + 3_000_000, None)))

    rows = list(read_listenbrainz([tmp_path / "listenbrainz_ann.zip"], user_id="ann"))
    assert [row.user_id for row in rows if isinstance(row, Listen)] == ["ann", "ann"]

    unnamed = list(read_listenbrainz([tmp_path / "listenbrainz_ann.zip"]))
    assert [row.reason for row in unnamed if isinstance(row, Unreadable)] == [
        "user_name: missing; say whose listens these are with --user"
    ] * 2


def test_mbids_are_taken_from_the_client_then_from_the_mapping() -> None:
    mapped = listen()
    mapped["track_metadata"]["mbid_mapping"] = {"recording_mbid": "mapped", "artist_mbids": ["first", "second"]}
    sent = listen(recording_mbid="sent", artist_mbids=["own"])
    sent["track_metadata"]["mbid_mapping"] = mapped["track_metadata"]["mbid_mapping"]

    ids = []
    for entry in (mapped, sent, listen()):
        row = parse_listen("f:1", entry, None)
        assert isinstance(row, Scrobble)
        ids.append((row.listen.track_id[:6], (row.listen.artist_id or "")[:5]))

    assert ids[:2] == [("mapped", "first"), ("sent", "own")]
    assert ids[2][0].startswith("t_")
    assert ids[2][1].startswith("a_")


def test_what_is_playing_now_is_left_out() -> None:
    assert parse_listen("f:1", {"playing_now": True, "track_metadata": {}}, "ann") == LeftOut("f:1", "playing now")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ([], "a JSON object is needed"),
        (listen(None), "listened_at: missing"),
        (listen("noon"), "listened_at: 'noon' is no number"),
        (listen(True), "listened_at: a number is needed, not bool"),
        (listen(float("nan")), "listened_at: nan is out of range"),
        (listen(10**400), "is no number"),
        ({"listened_at": NOON_S, "track_metadata": {"artist_name": "a"}}, "neither track_name nor recording_mbid"),
        ({"listened_at": NOON_S, "track_metadata": {"track_name": 7}}, "track_name: a string is needed, not int"),
        ({"listened_at": NOON_S, "track_metadata": {"track_name": "\ud800"}}, "track_name: not valid Unicode"),
        ({"listened_at": NOON_S, "track_metadata": "x"}, "track_metadata: an object is needed"),
    ],
)
def test_malformed_listens_are_named_with_the_field(entry: Any, reason: str) -> None:
    row = parse_listen("f:1", entry, "ann")

    assert isinstance(row, Unreadable)
    assert reason in row.reason


def test_a_broken_line_costs_no_other_line(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", json.dumps(listen()) + '\n{"listened_at":\n' + json.dumps(listen(NOON_S + 900)))

    assert [type(row) for row in rows] == [Unreadable, Listen, Listen]
    assert isinstance(rows[0], Unreadable)
    assert rows[0].place.endswith("a.jsonl:2")
