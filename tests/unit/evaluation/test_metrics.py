"""Figures written out as arithmetic."""

import numpy as np
import pytest

from musicrec.evaluation.metrics import Group, HitCounter, Scoreboard, conservative_rank


def test_ties_are_counted_before_the_target() -> None:
    tracks, scores = np.array([5, 7, 9, 3]), np.array([0.5, 0.3, 0.3, 0.1])
    assert [conservative_rank(track, tracks, scores) for track in (5, 7, 9, 3)] == [1, 3, 3, 4]


def test_a_track_that_is_not_there_has_rank_zero() -> None:
    assert conservative_rank(1, np.array([5]), np.array([1.0])) == 0


def test_hit_rate_and_reciprocal_rank_stop_at_twenty() -> None:
    counter = HitCounter()
    for rank in (1, 4, 20, 21, 0):
        counter.count(rank)
    assert counter.figures() == {"events": 5, "hr@20": 3 / 5, "mrr@20": pytest.approx((1 + 1 / 4 + 1 / 20) / 5)}


def test_repeats_and_new_targets_add_up_to_all() -> None:
    board = Scoreboard()
    board.count(1, [Group.REPEAT], unit=0)
    board.count(0, [Group.NEW], unit=0)
    board.count(2, [Group.NEW], unit=1)
    board.listed.update({1, 2, 3})
    figures = board.figures(known_tracks=12)
    assert figures["repeat"] == {"events": 1, "hr@20": 1.0, "mrr@20": 1.0}
    assert figures["new"] == {"events": 2, "hr@20": 0.5, "mrr@20": 0.25}
    assert figures["all"] == {"events": 3, "hr@20": pytest.approx(2 / 3, abs=1e-6), "mrr@20": 0.5}
    assert figures["coverage@20"] == 0.25
    assert {unit: counter.cases for unit, counter in board.units.items()} == {0: 2, 1: 1}


def test_first_cases_are_counted_apart_and_no_others_with_them() -> None:
    board = Scoreboard(firsts={2: HitCounter(), 9: HitCounter()})
    for rank in (1, 0, 4):
        board.count(rank, [Group.NEW], unit=0)
    assert board.figures(9)["first"] == [
        {"events": 2, "hr@20": 0.5, "mrr@20": 0.5},
        {"events": 3, "hr@20": pytest.approx(2 / 3, abs=1e-6), "mrr@20": pytest.approx(1.25 / 3, abs=1e-6)},
    ]
    assert "first" not in Scoreboard().figures(9)


def test_no_case_gives_zeros() -> None:
    assert Scoreboard().figures(0)["all"] == {"events": 0, "hr@20": 0.0, "mrr@20": 0.0}


def test_hits_on_completed_targets_are_set_against_those_on_skipped_ones() -> None:
    board = Scoreboard()
    for rank, group in ((1, Group.COMPLETED), (0, Group.COMPLETED), (3, Group.COMPLETED), (2, Group.SKIPPED)):
        board.count(rank, [group], unit=0)
    assert board.figures(9)["hr_completed_minus_skipped"] == pytest.approx(2 / 3 - 1, abs=1e-6)


def test_without_a_skipped_target_there_is_no_difference() -> None:
    board = Scoreboard()
    board.count(1, [Group.COMPLETED], unit=0)
    assert board.figures(9)["hr_completed_minus_skipped"] is None
