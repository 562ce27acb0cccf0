"""Everything that is compiled, compiled before the first listener waits for it."""

from dataclasses import replace
from typing import Final

from musicrec.evaluation.synthetic_stream import StreamShape, synthetic_snapshots
from musicrec.recommend import RankingSettings, Recommender

REHEARSAL: Final = StreamShape(plays=200, tracks=40, listeners=4)
"""Enough for lessons of the ranker, skips, repeats, and sessions that are alike."""
MAX_SESSIONS: Final = 1_000
MAX_TRACKS: Final = 1_000


def compile_kernels(settings: RankingSettings | None = None) -> None:
    """Learn and rank an invented stream and forget it.

    On a new installation the compiler takes some seconds, once; its results lie beside the code, or in
    `NUMBA_CACHE_DIR`.
    """
    small = replace(settings or RankingSettings(), max_sessions=MAX_SESSIONS, max_tracks=MAX_TRACKS)
    recommender = Recommender(small)
    for snapshot in synthetic_snapshots(REHEARSAL):
        recommender.learn(snapshot)
        recommender.rank(snapshot)
