"""The small network that foresees skips."""

import numpy as np
import pytest

from musicrec.recommend.skip_forecast import SkipForecast


def lesson(seed: int) -> tuple[np.ndarray, bool]:
    """A candidate that is skipped where its third feature is above a half."""
    features = np.random.default_rng(seed).random((1, 4)).astype(np.float32)
    return features, bool(features[0, 2] > 0.5)


def taught(lessons: int) -> SkipForecast:
    forecast = SkipForecast(4, 8, 0.1)
    for seed in range(lessons):
        features, was_skipped = lesson(seed)
        forecast.train(features, 0, was_skipped=was_skipped)
    return forecast


def test_untaught_it_changes_no_order() -> None:
    scores = np.array([3.0, 2.0, 1.0])
    SkipForecast(4, 8, 0.1).lower(np.random.default_rng(1).random((3, 4)).astype(np.float32), 3, 2.0, scores)
    assert np.diff(scores) == pytest.approx([-1.0, -1.0])


def test_what_is_likely_to_be_skipped_goes_down() -> None:
    forecast = taught(2_000)
    features = np.full((2, 4), 0.5, np.float32)
    features[:, 2] = (0.9, 0.1)
    scores = np.zeros(2)
    forecast.lower(features, 2, 1.0, scores)
    assert scores[0] < scores[1] - 1.0


def test_without_aversion_nothing_changes() -> None:
    scores = np.array([3.0, 2.0])
    taught(100).lower(np.ones((2, 4), np.float32), 2, 0.0, scores)
    assert scores.tolist() == [3.0, 2.0]


def test_only_rows_in_use_are_changed() -> None:
    scores = np.array([3.0, 2.0])
    taught(100).lower(np.ones((2, 4), np.float32), 1, 1.0, scores)
    assert scores[0] < 3.0
    assert scores[1] == 2.0


def test_what_it_foresaw_and_whom_it_moved_is_told() -> None:
    forecast = taught(2_000)
    features = np.full((3, 4), 0.5, np.float32)
    features[:, 2] = (0.9, 0.1, 0.1)
    scores = np.array([1.0, 0.9, 0.8])
    forecast.lower(features, 3, 1.0, scores)
    rows = np.argsort(-scores)
    assert rows.tolist() == [1, 2, 0]
    (first, second, last), moves = forecast.moved(rows, np.arange(3), 3)
    assert moves == [-1, -1, 2]
    assert first == second < 200
    assert last > 800


def test_a_chance_of_a_skip_is_one_minus_e_to_the_loss() -> None:
    scores = np.zeros(1)
    forecast = taught(50)
    forecast.lower(np.full((1, 4), 0.5, np.float32), 1, 1.0, scores)
    ((chance,), _) = forecast.moved(np.zeros(1, np.int64), np.zeros(1, np.int64), 1)
    assert chance == round(1_000 * (1 - np.exp(scores[0])))


def test_of_candidates_that_nobody_asked_about_nothing_is_told() -> None:
    forecast = taught(100)
    forecast.lower(np.ones((2, 4), np.float32), 1, 1.0, np.array([3.0, 2.0]))
    assert forecast.moved(np.array([1, 7]), np.array([1, 7]), 1) == [[0, 0], [0, 0]]


def test_equal_scores_are_moved_by_nothing() -> None:
    forecast = SkipForecast(4, 8, 0.1)
    scores = np.zeros(4)
    forecast.lower(np.ones((4, 4), np.float32), 4, 1.0, scores)
    assert forecast.moved(np.arange(4), np.arange(4), 4)[1] == [0, 0, 0, 0]
