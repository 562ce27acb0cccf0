"""One listener's way, from records in any order."""

import random
from typing import Any

import pytest
from page_records import NOW_MS, dead_letter, outcome, recommendation, snapshot

from musicrec.contracts import EventType, ListenEvent, Mode, Recommendation, RecommendationRequest, Track
from musicrec.dead_letters.letter import Letter, Place
from musicrec.errors import DeadLetterReason
from streams.web.journey import MOST_ROWS, ROWS_SHOWN, Journey, JourneyView, RowView
from streams.web.known_tracks import KnownTracks

LISTENS, SESSIONS = "musicrec.listens.v1", "musicrec.sessions.v1"


def event(number: int, track: str = "t") -> ListenEvent:
    return ListenEvent(
        event_id=f"ada-{number}",
        user_id="ada",
        type=EventType.PLAY,
        track_id=track,
        ms_played=1_000,
        occurred_at_ms=NOW_MS + number,
    )


def list_for(number: int, *tracks: str, at_ms: int = NOW_MS, **fields: Any) -> Recommendation:
    session = snapshot("ada", "t", revision=number, published_at_ms=at_ms)
    return recommendation("ada", *tracks, revision=number, trigger=session.trigger, **fields)


def letter(source: str, offset: int, *, at: int = 0, reason: DeadLetterReason = DeadLetterReason.TOO_LATE) -> Letter:
    why = dead_letter(offset, reason).model_copy(update={"original_topic": source, "original_partition": 0})
    return Letter(Place(f"{source}.dlq", 0, at), NOW_MS, b"ada", b"{}", (), why)


def view(journey: Journey) -> JourneyView:
    return journey.view(KnownTracks())


def rows(journey: Journey) -> dict[str, RowView]:
    return {row["id"]: row for row in view(journey)["rows"]}


def place(offset: int, topic: str = LISTENS) -> Place:
    return Place(topic, 0, offset)


def steps_of_a_play() -> list[Any]:
    """Return what a play leads to, as calls on a journey."""
    session = snapshot("ada", "t", revision=1)
    return [
        lambda j: j.add_event(event(1), place(1), NOW_MS),
        lambda j: j.add_snapshot(session, place(7, SESSIONS), NOW_MS + 3),
        lambda j: j.add_list(list_for(1, "a", "b", model_version="m9")),
        lambda j: j.add_outcome(outcome("ada-2", rank=2, track_id="b", list_id="l-ada-1")),
    ]


@pytest.mark.parametrize("seed", range(10))
def test_a_play_is_one_row_with_session_list_and_what_was_played_next_in_whatever_order_they_come(seed: int) -> None:
    journey, steps = Journey("ada"), steps_of_a_play() * 2
    random.Random(seed).shuffle(steps)
    for step in steps:
        step(journey)
    (row,) = view(journey)["rows"]
    assert (row["type"], row["at_ms"], row["places"]) == ("play", NOW_MS, [f"{LISTENS}[0]@1"])
    assert row["session"] is not None
    assert row["list"] is not None
    assert (row["session"]["tracks"], row["session"]["published_ms"]) == (1, NOW_MS + 3)
    assert (row["list"]["model_version"], row["list"]["line"]["length"]) == ("m9", 2)
    assert [(heard["title"], heard["rank"]) for heard in row["heard"]] == [("b", 2)]


def test_rows_are_newest_first_and_have_titles() -> None:
    journey, names = Journey("ada"), KnownTracks()
    names.learn(Track(track_id="t1", title="Amber Tide", artist_name="Slow Harbour"))
    journey.add_event(event(1, "t1"), place(1), NOW_MS)
    journey.add_event(event(2, "t2"), place(2), NOW_MS + 1)
    first, second = journey.view(names)["rows"]
    assert [first["title"], second["title"], second["artist"]] == ["t2", "Amber Tide", "Slow Harbour"]


def test_an_event_that_was_refused_says_why_and_where_its_letter_lies() -> None:
    journey = Journey("ada")
    journey.add_letter(letter(LISTENS, 5, at=9))
    journey.add_event(event(1), place(5), NOW_MS)
    (row,) = view(journey)["rows"]
    assert row["id"] == "ada-1"
    assert [(each["reason"], each["place"]) for each in row["refused"]] == [("too_late", f"{LISTENS}.dlq[0]@9")]


def test_a_snapshot_that_the_ranking_refuses_stands_with_its_event() -> None:
    journey = Journey("ada")
    journey.add_snapshot(snapshot("ada", "t", revision=1), place(7, SESSIONS), NOW_MS)
    journey.add_letter(letter(SESSIONS, 7, reason=DeadLetterReason.HANDLER_ERROR))
    (row,) = view(journey)["rows"]
    assert [each["reason"] for each in row["refused"]] == ["handler_error"]


def test_a_message_that_nobody_can_read_is_a_row_of_its_own_with_its_letter() -> None:
    journey = Journey("ada")
    journey.add_unreadable(place(5), NOW_MS)
    journey.add_letter(letter(LISTENS, 5, reason=DeadLetterReason.MALFORMED))
    (row,) = view(journey)["rows"]
    assert (row["type"], row["title"], [each["reason"] for each in row["refused"]]) == ("message", "", ["malformed"])


def test_an_event_that_was_published_twice_is_one_row_with_both_places() -> None:
    journey = Journey("ada")
    journey.add_event(event(1), place(5), NOW_MS + 50)
    journey.add_event(event(1), place(2), NOW_MS)
    (row,) = view(journey)["rows"]
    assert (row["places"], row["at_ms"]) == ([f"{LISTENS}[0]@2", f"{LISTENS}[0]@5"], NOW_MS)


def test_an_event_that_was_passed_over_names_the_one_whose_list_answers_it() -> None:
    journey = Journey("ada")
    journey.add_list(list_for(2, "a", passed_over=("ada-1",)))
    journey.add_event(event(1), place(1), NOW_MS)
    assert rows(journey)["ada-1"]["answered_with"] == "ada-2"


def test_a_request_and_an_event_of_one_id_are_two_rows() -> None:
    journey = Journey("ada")
    journey.add_event(event(1), place(1), NOW_MS)
    asked = RecommendationRequest(request_id="ada-1", user_id="ada", mode=Mode.NEW, requested_at_ms=NOW_MS)
    journey.add_request(asked, place(3, "musicrec.requests.v1"), NOW_MS + 1)
    journey.add_list(recommendation("ada", "n", mode=Mode.NEW, request_id="ada-1", session_revision=None))
    request, play = view(journey)["rows"]
    assert (request["type"], request["id"], request["mode"], request["list"] is not None) == (
        "request",
        "ada-1",
        "new",
        True,
    )
    assert (play["type"], play["list"]) == ("play", None)


def test_the_newest_session_says_where_the_dial_stands_and_what_is_blocked() -> None:
    journey = Journey("ada")
    old = snapshot("ada", "t", revision=1).model_copy(update={"discovery": -1.0, "blocked_tracks": ()})
    new = snapshot("ada", "t", revision=2).model_copy(
        update={"discovery": 0.5, "market": "DE", "blocked_tracks": ("x",), "blocked_artists": ("y",)}
    )
    journey.add_snapshot(new, place(8, SESSIONS), NOW_MS)
    journey.add_snapshot(old, place(7, SESSIONS), NOW_MS)
    shown = view(journey)
    assert (shown["discovery"], shown["market"], shown["blocked"]) == (0.5, "DE", 2)


def test_a_listener_without_end_keeps_the_newest_and_says_how_many_are_left_out() -> None:
    journey = Journey("bot")
    for number in range(1, 3 * MOST_ROWS):
        journey.add_event(event(number), place(number), NOW_MS + number)
        journey.add_list(list_for(number, "a", at_ms=NOW_MS + number))
        journey.add_outcome(outcome(f"ada-{number}", list_id=f"l-{number}"))
    shown = view(journey)
    assert len(shown["rows"]) == ROWS_SHOWN
    assert shown["rows"][0]["id"] == f"ada-{3 * MOST_ROWS - 1}"
    assert shown["rows_left_out"] >= 2 * MOST_ROWS - ROWS_SHOWN
    assert len(journey._rows) <= MOST_ROWS
    assert len(journey._by_place) <= 2 * MOST_ROWS
    assert len(journey._outcomes) <= MOST_ROWS
