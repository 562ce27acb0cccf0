"""Listens known by their start get an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.importers import LeftOut, Listen
from musicrec.importers.scrobbles import Scrobble, estimated_ms_played, listens_of_scrobbles

NOON_MS = 1_600_000_000_000
SECOND_MS = 1_000
MINUTE_MS = 60_000


def scrobble(at_ms: int, track: str, user: str = "ann", ms_played: int | None = None) -> Scrobble:
    return Scrobble(f"{user} {track}", NOON_MS + at_ms, ms_played, Listen(user, 0, 0, track))


def ends(*scrobbles: Scrobble) -> list[tuple[str, int, int]]:
    """Return track, end relative to noon, and time played."""
    return [
        (listen.track_id, listen.ended_at_ms - NOON_MS, listen.ms_played)
        for listen in listens_of_scrobbles(scrobbles)
        if isinstance(listen, Listen)
    ]


@pytest.mark.parametrize(
    ("gap_ms", "duration_ms", "expected_ms"),
    [
        (200_000, None, 200_000),
        (240_001, None, 240_000),
        (None, None, 240_000),
        (29_999, None, 30_000),
        (0, None, 30_000),
        (400_000, 360_000, 360_000),
        (300_000, 360_000, 300_000),
        (None, 360_000, 360_000),
        (0, 20_000, 20_000),
    ],
)
def test_a_listen_lasts_until_the_next_one_within_what_a_scrobble_proves(
    gap_ms: int | None, duration_ms: int | None, expected_ms: int
) -> None:
    assert estimated_ms_played(gap_ms, duration_ms) == expected_ms


def test_newest_first_comes_out_oldest_first_with_ends() -> None:
    assert ends(scrobble(10 * MINUTE_MS, "c"), scrobble(3 * MINUTE_MS, "b"), scrobble(0, "a")) == [
        ("a", 3 * MINUTE_MS, 3 * MINUTE_MS),
        ("b", 7 * MINUTE_MS, 4 * MINUTE_MS),
        ("c", 14 * MINUTE_MS, 4 * MINUTE_MS),
    ]


def test_listens_of_one_second_keep_the_direction_of_their_file() -> None:
    newest_first = [scrobble(5_000, "c"), scrobble(0, "b"), scrobble(0, "a")]
    oldest_first = [scrobble(0, "a"), scrobble(0, "b"), scrobble(5_000, "c")]

    assert [track for track, _, _ in ends(*newest_first)] == ["a", "b", "c"] == [t for t, _, _ in ends(*oldest_first)]


def test_one_listeners_next_listen_says_nothing_about_anothers() -> None:
    assert ends(scrobble(0, "a", "ann"), scrobble(60_000, "b", "bob")) == [
        ("a", 240_000, 240_000),
        ("b", 300_000, 240_000),
    ]


def test_a_time_played_that_is_known_is_not_estimated() -> None:
    assert ends(scrobble(0, "a", ms_played=5_000), scrobble(60_000, "b", ms_played=600_000)) == [
        ("a", 5_000, 5_000),
        ("b", 660_000, 600_000),
    ]


def test_the_same_track_at_the_same_second_was_sent_twice() -> None:
    rows = list(listens_of_scrobbles([scrobble(0, "a"), scrobble(0, "b"), scrobble(0, "a")]))

    assert [row.track_id for row in rows if isinstance(row, Listen)] == ["a", "b"]
    assert [row.reason for row in rows if isinstance(row, LeftOut)] == ["sent twice"]


@given(st.lists(st.integers(0, 7_200), max_size=40))
def test_ends_are_in_the_order_of_starts_and_no_estimate_is_an_early_skip(starts_s: list[int]) -> None:
    found = ends(*(scrobble(start_s * SECOND_MS, f"t{number}") for number, start_s in enumerate(starts_s)))

    assert len(found) == len(starts_s)
    assert [end for _, end, _ in found] == sorted(end for _, end, _ in found)
    assert sorted((end - played) // SECOND_MS for _, end, played in found) == sorted(starts_s)
    assert all(30_000 <= played <= 240_000 for _, _, played in found)
