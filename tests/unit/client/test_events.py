"""Events as a platform makes them."""

import time

import pytest

from musicrec.client import feedback, play, skip
from musicrec.contracts import EventType
from musicrec.errors import BadInput


def test_an_event_is_of_now_and_has_an_id_of_its_own() -> None:
    before_ms = time.time_ns() // 1_000_000
    first, second = (play("ada", "t", ms_played=1_000) for _ in range(2))
    assert first.event_id != second.event_id
    assert before_ms <= first.occurred_at_ms <= time.time_ns() // 1_000_000
    assert (first.type, first.track_id, first.ms_played) == (EventType.PLAY, "t", 1_000)


def test_what_is_said_is_taken() -> None:
    event = skip("ada", "t", ms_played=0, artist_id="a", ended_at_ms=1_700_000_000_000, event_id="e", market="DE")
    assert (event.type, event.artist_id, event.occurred_at_ms, event.event_id, event.market) == (
        EventType.SKIP,
        "a",
        1_700_000_000_000,
        "e",
        "DE",
    )
    assert feedback("ada", EventType.SET_DISCOVERY, discovery=0.5).discovery == 0.5


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ms_played": -1}, "ms_played: .* not -1"),
        ({"ms_played": 1_000, "market": "Germany"}, "market: .* not 'Germany'"),
        ({"ms_played": 1_000, "ended_at_ms": 1_700_000_000}, "occurred_at_ms: .* not 1700000000"),
        ({"ms_played": "1000"}, "ms_played: .* not '1000'"),
    ],
)
def test_a_value_that_breaks_the_contract_is_named(fields: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        play("ada", "t", **fields)  # type: ignore[arg-type]


def test_feedback_that_lacks_what_it_is_about_is_refused() -> None:
    with pytest.raises(BadInput, match="track_id: a like event needs it"):
        feedback("ada", EventType.LIKE)
