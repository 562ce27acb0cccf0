"""Forward-decayed play counts."""

import pytest

from musicrec.recommend.popularity import Popularity

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000


def top_of(popularity: Popularity) -> list[int]:
    return [int(track) for track in popularity.top[: popularity.top_length]]


def test_a_play_a_half_life_later_counts_twice() -> None:
    popularity = Popularity(half_life_ms=DAY_MS, top=10)
    popularity.count(1, 1.0, START_MS)
    popularity.count(2, 1.0, START_MS + DAY_MS)
    assert popularity.scores[2] / popularity.scores[1] == pytest.approx(2.0)
    assert top_of(popularity) == [2, 1]


def test_the_top_holds_the_highest_scores_in_order() -> None:
    popularity = Popularity(half_life_ms=DAY_MS, top=3)
    for track, plays in ((1, 2), (2, 5), (3, 1), (4, 4), (5, 3)):
        for _ in range(plays):
            popularity.count(track, 1.0, START_MS)
    assert top_of(popularity) == [2, 4, 5]


def test_years_of_event_time_do_not_overflow() -> None:
    popularity = Popularity(half_life_ms=DAY_MS, top=3)
    popularity.count(1, 1.0, START_MS)
    popularity.count(2, 1.0, START_MS + 2_000 * DAY_MS)
    assert top_of(popularity) == [2, 1]
    assert popularity.scores[2] == 1.0


def test_a_skip_with_strength_zero_is_no_play() -> None:
    popularity = Popularity(half_life_ms=DAY_MS, top=3)
    popularity.count(1, 0.0, START_MS)
    assert top_of(popularity) == []
    assert popularity.plays[1] == 0


def test_a_removed_track_leaves_the_top() -> None:
    popularity = Popularity(half_life_ms=DAY_MS, top=3)
    for track in (1, 2):
        popularity.count(track, 1.0, START_MS)
    popularity.forget(1)
    assert top_of(popularity) == [2]
