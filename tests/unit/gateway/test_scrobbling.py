"""A scrobble sent live is the event that an import of it is."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.contracts import EventType, ListenEvent
from musicrec.importers import in_time_order
from musicrec.importers.listenbrainz import parse_listen, read_listenbrainz
from musicrec.importers.rows import Listen
from streams.gateway.listenbrainz import events_submitted
from streams.gateway.problems import Problem
from streams.gateway.scrobbling import FURTHEST_AHEAD_MS, events_in

NOON_S = 1_700_000_000


def listen(started_s: int, title: str, **info: Any) -> dict[str, Any]:
    return {
        "listened_at": started_s,
        "track_metadata": {"artist_name": "Portishead", "track_name": title, "additional_info": info},
    }


def live(entry: dict[str, Any], *, now_s: int) -> list[ListenEvent]:
    return events_in([parse_listen("payload[0]", entry, "ada")], now_s * 1_000)


def imported(folder: Path, entries: list[dict[str, Any]]) -> list[ListenEvent]:
    path = folder / "export.jsonl"
    path.write_text("\n".join(json.dumps(entry) for entry in entries))
    return list(in_time_order(row for row in read_listenbrainz([path], user_id="ada") if isinstance(row, Listen)))


def test_sent_live_and_imported_later_it_has_one_id(tmp_path: Path) -> None:
    entries = [
        listen(NOON_S, "Strangers", duration_ms=237_000),  # heard to its end
        listen(NOON_S + 240, "Mysterons", duration_ms=302_000),  # left after three minutes: only the import can know
        listen(NOON_S + 420, "Numb"),  # of unknown length
        listen(NOON_S + 520, "Roads", duration_ms=304_000, duration_played=200),
    ]
    sent = [event for entry in entries for event in live(entry, now_s=entry["listened_at"] + 150)]
    later = imported(tmp_path, entries)

    assert [event.event_id for event in sent] == [event.event_id for event in later]
    assert len({event.event_id for event in sent}) == 4
    assert [one == other for one, other in zip(sent, later, strict=True)] == [True, False, False, True]


def test_a_scrobble_is_a_play_of_the_estimated_length() -> None:
    (event,) = live(listen(NOON_S, "Strangers", duration_ms=237_000), now_s=NOON_S + 237)
    assert (event.type, event.ms_played, event.started_at_ms) == (EventType.PLAY, 237_000, NOON_S * 1_000)
    (unknown,) = live(listen(NOON_S, "Strangers"), now_s=NOON_S + 600)
    assert (unknown.type, unknown.ms_played) == (EventType.PLAY, 240_000)


def test_a_long_track_that_has_only_begun_does_not_end_in_a_far_future() -> None:
    an_hour = listen(NOON_S, "Strangers", duration_ms=3_600_000)
    (event,) = live(an_hour, now_s=NOON_S + 240)
    assert event.occurred_at_ms == (NOON_S + 240) * 1_000 + FURTHEST_AHEAD_MS
    assert event.started_at_ms == NOON_S * 1_000


@given(st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from("abc"), st.none() | st.integers(1, 900)), max_size=8))
def test_in_any_order_a_batch_is_in_time_order_and_each_start_is_there_once(
    listens: list[tuple[int, str, int | None]],
) -> None:
    entries = [listen(NOON_S + at, title, duration=length) for at, title, length in listens]
    events = events_in([parse_listen("p", entry, "ada") for entry in entries], (NOON_S + 10_000) * 1_000)

    assert [event.occurred_at_ms for event in events] == sorted(event.occurred_at_ms for event in events)
    starts = [(event.started_at_ms, event.track_id) for event in events]
    assert len(set(starts)) == len(starts) == len({(at, title) for at, title, _ in listens})
    assert len({event.event_id for event in events}) == len(events)


def test_one_that_cannot_be_read_is_named_by_its_place_and_field() -> None:
    wrong = listen(NOON_S, "Strangers", duration_played=10**9)
    with pytest.raises(Problem, match=r"payload\[0\]: .* ms played"):
        live(wrong, now_s=NOON_S)
    with pytest.raises(Problem, match=r"payload\[0\]: listened_at"):
        live({"track_metadata": {"track_name": "x"}}, now_s=NOON_S)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A submission in which some fields are something else."""
    metadata: dict[str, Any] = {"artist_name": "a", "track_name": "t", "release_name": "r"}
    info = {"duration_ms": 1, "duration": 1, "duration_played": 1, "recording_mbid": "m", "artist_mbids": ["x"]}
    entry = {"listened_at": NOON_S, "track_metadata": metadata, "playing_now": False}
    submitted = {"listen_type": draw(st.sampled_from(["single", "import", "playing_now"])), "payload": [entry]}
    for holder in (metadata, info, entry, submitted):
        for name in draw(st.sets(st.sampled_from(sorted(holder)), max_size=1)):
            holder[name] = draw(VALUES)
    metadata["additional_info"] = info
    return submitted


@given(VALUES | spoilt())
def test_whatever_is_submitted_becomes_events_or_is_refused(submitted: Any) -> None:
    with suppress(Problem):
        events = events_submitted(submitted, "ada", NOON_S * 1_000)
        assert all(event.user_id == "ada" for event in events)
