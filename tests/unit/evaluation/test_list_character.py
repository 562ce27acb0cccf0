"""How popular and how varied lists are, written out as arithmetic."""

import numpy as np
import pytest

from musicrec.evaluation.list_character import ListCharacter


def character(*lists: tuple[list[float], list[int]], most: float = 10.0) -> dict[str, float | None]:
    counted = ListCharacter()
    for plays, artists in lists:
        counted.count(np.array(plays, np.float64), most, np.array(artists, np.int32))
    return counted.figures()


def test_popularity_is_the_mean_over_lists_of_the_mean_over_their_tracks() -> None:
    figures = character(([10.0, 0.0], [-1, -1]), ([2.0], [-1]))
    assert figures["popularity@20"] == pytest.approx((10 / 10 + 0 / 10) / 2 / 2 + 2 / 10 / 2)


def test_diversity_is_the_share_of_pairs_of_different_artists() -> None:
    figures = character(([1.0] * 4, [5, 5, 6, 7]), ([1.0] * 3, [5, 5, 5]))
    assert figures["artist_diversity@20"] == pytest.approx((5 / 6 + 0 / 3) / 2, abs=1e-6)


def test_tracks_of_unknown_artists_make_no_pairs() -> None:
    assert character(([1.0] * 3, [5, 6, -1]))["artist_diversity@20"] == 1.0
    assert character(([1.0] * 2, [5, -1]))["artist_diversity@20"] is None


def test_an_empty_list_is_left_out_and_without_any_there_is_no_figure() -> None:
    assert character(([], []), ([10.0], [1]))["popularity@20"] == 1.0
    assert character(([], [])) == {"popularity@20": None, "artist_diversity@20": None}
