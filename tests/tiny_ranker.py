"""Rankers that are taught in a moment, on candidates that nobody ever listed."""

from pathlib import Path

import numpy as np

from musicrec.ranker_files import RankerManifest, write_ranker
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.ranking_features import FEATURES

LESSONS = 20


def taught(hidden: int = 32, *, seed: int = 1) -> Recommender:
    """Return a recommender that knows nothing but what these lessons taught its networks."""
    recommender = Recommender(RankingSettings(max_sessions=100, max_listeners=10, ranker_hidden=hidden))
    random, scores = np.random.default_rng(seed), np.zeros(10)
    for _ in range(LESSONS):
        features = random.random((10, FEATURES)).astype(np.float32)
        recommender.ranker.train(features, random.random(10) + 0.1, 10, 3, 1.0, scores)
        recommender.skips.train(features, 3, was_skipped=True)
    return recommender


def written(folder: Path, recommender: Recommender) -> RankerManifest:
    """Write what a recommender was taught."""
    return write_ranker(folder, recommender, events=40, learned_from_ms=1, learned_until_ms=2, metrics={})
