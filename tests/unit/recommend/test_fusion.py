"""Reciprocal-rank fusion, the best of many, and the artist cap."""

import numpy as np
import pytest

from musicrec.recommend.fusion import EXCLUDED, IN_SESSION, Cause, excluded_for, fuse, ranks_of
from musicrec.recommend.reranking import cap_artists
from musicrec.recommend.top_k import Scratch, take_top


def fused(
    rows: list[list[int]], weights: list[float], marks: dict[int, int] | None = None, repeat_factor: float = 1.0
) -> list[tuple[int, float]]:
    return fused_and_excluded(rows, weights, marks, repeat_factor)[0]


def fused_and_excluded(
    rows: list[list[int]],
    weights: list[float],
    marks: dict[int, int] | None = None,
    repeat_factor: float = 1.0,
    removed: int = 0,
    artist_blocked: int = 0,
) -> tuple[list[tuple[int, float]], list[int]]:
    keys, counts = np.zeros((len(rows), 5), np.int64), np.zeros(len(rows), np.int64)
    for source, row in enumerate(rows):
        keys[source, : len(row)] = row
        counts[source] = len(row)
    marked, scratch, excluded = np.zeros(100, np.uint8), Scratch(), np.zeros(len(Cause), np.int64)
    artist_of, artist_marks, flags = np.full(100, -1, np.int32), np.zeros(10, np.uint8), np.zeros(100, np.uint8)
    flags[removed], artist_of[artist_blocked], artist_marks[3] = 1, 3, EXCLUDED
    for track, mark in (marks or {}).items():
        marked[track] = mark
    out_keys, out_scores = np.zeros(10, np.int64), np.zeros(10)
    found = fuse(
        keys, counts, np.array(weights), 10.0, marked, artist_marks, artist_of, flags, repeat_factor,
        scratch.scores, scratch.touched, excluded, 10, out_keys, out_scores,
    )  # fmt: skip
    assert not scratch.scores.any()
    return list(zip(out_keys[:found].tolist(), out_scores[:found].tolist(), strict=True)), excluded.tolist()


def test_a_track_gets_weight_over_c_plus_rank_from_every_source() -> None:
    assert fused([[1, 2], [2]], [1.0, 0.5]) == [
        (2, pytest.approx(1 / 12 + 0.5 / 11)),
        (1, pytest.approx(1 / 11)),
    ]


def test_equal_scores_are_ordered_by_index() -> None:
    assert [track for track, _ in fused([[9], [4]], [1.0, 1.0])] == [4, 9]


def test_excluded_tracks_are_left_out_and_heard_ones_damped() -> None:
    assert fused([[1, 2, 3]], [1.0], {1: EXCLUDED, 2: IN_SESSION}, 0.5) == [
        (3, pytest.approx(1 / 13)),
        (2, pytest.approx(0.5 / 12)),
    ]


def test_an_excluded_track_is_counted_once_under_its_cause() -> None:
    marks = {1: excluded_for(Cause.PLAYING), 2: excluded_for(Cause.SKIPPED), 3: excluded_for(Cause.BLOCKED)}
    marks[7] = excluded_for(Cause.RULED_OUT)
    rows = [[1, 2, 3, 4, 7], [2, 7, 6, 5, 4]]
    found, excluded = fused_and_excluded(rows, [1.0, 1.0], marks, removed=4, artist_blocked=5)
    assert [track for track, _ in found] == [6]
    assert dict(zip(Cause, excluded, strict=True)) == dict.fromkeys(Cause, 1)


def test_what_no_source_proposed_is_not_counted_as_excluded() -> None:
    assert fused_and_excluded([[1]], [1.0], {7: excluded_for(Cause.BLOCKED)})[1] == [0] * len(Cause)


def test_a_source_of_weight_zero_proposes_nothing() -> None:
    assert fused([[1], [2]], [0.0, 1.0]) == [(2, pytest.approx(1 / 11))]


def test_ranks_are_found_per_source() -> None:
    keys, counts = np.array([[5, 6, 7], [7, 0, 0]]), np.array([3, 1])
    out = np.zeros((2, 2), np.int32)
    ranks_of(np.array([7, 6]), 2, keys, counts, np.zeros(10), out)
    assert out.tolist() == [[3, 1], [2, 0]]


def test_the_best_are_taken_in_order_and_the_scores_are_reset() -> None:
    scores = np.array([0.0, 3.0, 1.0, 2.0, 3.0])
    keys, best = np.zeros(3, np.int64), np.zeros(3)
    assert take_top(np.array([4, 1, 2, 3]), 4, scores, 3, keys, best) == 3
    assert keys.tolist() == [1, 4, 3]
    assert not scores.any()


def test_tracks_beyond_the_artist_cap_come_last() -> None:
    artist_of = np.array([0, 0, 0, 1, -1, -1], np.int32)
    places = np.zeros(6, np.int64)
    count = cap_artists(np.arange(6), 6, artist_of, 2, 6, places)
    assert places[:count].tolist() == [0, 1, 3, 4, 5, 2]


def test_without_a_cap_the_order_stays() -> None:
    places = np.zeros(3, np.int64)
    assert cap_artists(np.arange(5), 5, np.zeros(5, np.int32), 0, 3, places) == 3
    assert places.tolist() == [0, 1, 2]
