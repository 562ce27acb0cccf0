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
