"""The small network over the candidates."""

import numpy as np
import pytest

from musicrec.recommend.ranker import Ranker


def lesson(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Ten candidates; the one whose third feature is largest is played, whatever the fusion says."""
    random = np.random.default_rng(seed)
    features = random.random((10, 4)).astype(np.float32)
    return features, random.random(10) + 0.01, int(features[:, 2].argmax())


def test_an_untrained_ranker_keeps_the_order_of_the_fusion() -> None:
    features, fused, _ = lesson(1)
    scores = np.zeros(10)
    Ranker(4, 8, 0.05).score(features, fused, 10, scores)
    assert scores == pytest.approx(np.log(fused), abs=1e-6)


def test_lessons_teach_what_is_played() -> None:
    ranker, scores = Ranker(4, 8, 0.1), np.zeros(10)
    for seed in range(1_000):
        features, fused, played = lesson(seed)
        ranker.train(features, fused, 10, played, 1.0, scores)
    hits = 0
    for seed in range(2_000, 2_200):
        features, fused, played = lesson(seed)
        ranker.score(features, fused, 10, scores)
        hits += int(scores.argmax()) == played
    assert hits > 140  # by chance 20


def test_a_lesson_of_weight_zero_changes_nothing() -> None:
    ranker, before, after = Ranker(4, 8, 0.1), np.zeros(10), np.zeros(10)
    features, fused, played = lesson(3)
    ranker.score(features, fused, 10, before)
    ranker.train(features, fused, 10, played, 0.0, np.zeros(10))
    ranker.score(features, fused, 10, after)
    assert after.tolist() == before.tolist()
