"""What is posted becomes records, or says which field is wrong."""

from typing import Any

import pytest
from starlette.requests import Request

from musicrec.contracts import ListenEvent, Track
from streams.gateway.bodies import json_in
from streams.gateway.entries import Refusal, entries_of, event_in, track_in
from streams.gateway.problems import Problem
from streams.gateway.tokens import make_token

NOW_MS = 1_790_000_000_000
ADA = make_token(listener="ada").grant
SHOP = make_token(listener=None).grant
PLAY = {"type": "play", "track_id": "t", "ms_played": 1}


def test_what_a_player_leaves_out_is_put_in() -> None:
    event = event_in(PLAY, ADA, NOW_MS)
    again = event_in(PLAY, ADA, NOW_MS)
    assert isinstance(event, ListenEvent)
    assert isinstance(again, ListenEvent)
    assert (event.user_id, event.occurred_at_ms) == ("ada", NOW_MS)
    assert event.event_id != again.event_id


def test_what_a_player_says_stands() -> None:
    said = PLAY | {"event_id": "e", "user_id": "ada", "occurred_at_ms": NOW_MS - 5}
    for grant in (ADA, SHOP):
        event = event_in(said, grant, NOW_MS)
        assert isinstance(event, ListenEvent)
        assert (event.event_id, event.occurred_at_ms) == ("e", NOW_MS - 5)


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (PLAY | {"ms_played": -1}, "invalid", "ms_played"),
        (PLAY | {"ms_played": 1.0}, "invalid", "ms_played"),
        (PLAY | {"event_id": None}, "invalid", "event_id"),
        (PLAY | {"user_id": "bob"}, "forbidden", "user_id"),
        (PLAY | {"schema_version": 2}, "unsupported_version", "schema_version"),
        ({"type": "block_artist"}, "invalid", "artist_id"),
        (PLAY | {"x": "y" * 10_240}, "too_large", None),
        ([], "malformed", None),
        (None, "malformed", None),
    ],
)
def test_a_wrong_entry_is_refused_by_its_field(value: Any, reason: str, field: str | None) -> None:
    refusal = event_in(value, ADA, NOW_MS)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.field if field != "artist_id" else "artist_id") == (reason, field)


def test_a_platforms_event_needs_its_listener() -> None:
    refusal = event_in(PLAY, SHOP, NOW_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.field == "user_id"


def test_one_entry_or_up_to_a_thousand_are_taken() -> None:
    assert entries_of({"track_id": "t"}, track_in) == ([Track(track_id="t")], False)
    many, was_array = entries_of([{"track_id": "t"}, 7] * 500, track_in)
    assert (len(many), was_array) == (1_000, True)
    for wrong in ([], [{}] * 1_001):
        with pytest.raises(Problem, match="1 to 1000"):
            entries_of(wrong, track_in)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"NaN",
        b'{"a":Infinity}',
        b'"\\ud800"',
        b"[" * 100_000,
        b"1" * 10_000,
        b"-",
    ],
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Problem, match="not JSON") as refusal:
        json_in(body)
    assert refusal.value.status == 400


def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    from asyncio import run

    from musicrec.settings import GatewaySettings
    from streams.gateway.bodies import read_body

    async def never() -> Any:
        raise AssertionError("it was read")

    headers = [(b"content-length", b"99999999999999999999")]
    with pytest.raises(Problem, match="send less"):
        run(read_body(Request({"type": "http", "headers": headers}, never), GatewaySettings()))
