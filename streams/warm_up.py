"""Everything that is compiled, compiled before the first listener waits for it."""

from dataclasses import replace
from typing import Final

from musicrec.contracts import CatalogueRule, RuleEffect, SessionSnapshot, Track
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
    for number in range(REHEARSAL.tracks):
        recommender.add_track(Track(track_id=f"track-{number}", tags=("rehearsed",)))
    for snapshot in synthetic_snapshots(REHEARSAL):
        recommender.learn(snapshot)
        recommender.rank(snapshot)
    _rank_with_rules(recommender, snapshot)


def _rank_with_rules(recommender: Recommender, snapshot: SessionSnapshot) -> None:
    """Make a list for which candidates are ruled out, exploration is looked through, and the catalogue is searched."""
    (heard, *_) = snapshot.entries
    recommender.add_track(Track(track_id="rehearsed"))
    now_ms = snapshot.trigger.occurred_at_ms
    for name, effect in (("rehearsed deny", RuleEffect.DENY), ("rehearsed allow", RuleEffect.ALLOW)):
        rule = CatalogueRule(name=name, effect=effect, tracks=(heard.track_id,), published_at_ms=now_ms)
        recommender.put_rule(rule)
    recommender.rank(snapshot)
