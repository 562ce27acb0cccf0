"""The recommender and the baselines, asked the same questions and taught the same plays."""

import time
from collections.abc import Sequence

import numpy as np

from musicrec.contracts import SessionSnapshot
from musicrec.evaluation.baselines import (
    Baseline,
    MarkovBaseline,
    PopularityBaseline,
    Ranking,
    SessionKnnBaseline,
)
from musicrec.evaluation.metrics import LIST_LENGTH, Scoreboard, conservative_rank
from musicrec.recommend import RankedList, Recommender


class Contest:
    """Runs all models side by side.

    Attributes:
        recommender: ours.
        scores: a scoreboard per model name.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._baselines: dict[str, Baseline] = {
            "popularity": PopularityBaseline(),
            "markov": MarkovBaseline(),
            "session-knn": SessionKnnBaseline(),
        }
        self.scores = {name: Scoreboard() for name in ("musicrec", *self._baselines)}
        self._index_of: dict[str, int] = {}
        self._session_of: dict[str, int] = {}

    def ask(self, snapshot: SessionSnapshot, newest_first: Sequence[str], target: str, *, is_repeat: bool) -> None:
        """Score one case on every model.

        Args:
            snapshot: the session before the play.
            newest_first: its plays, for the baselines; the first is the current track.
            target: what was played.
            is_repeat: whether the listener had played it before.
        """
        started_s = time.perf_counter()
        ranked = self.recommender.rank(snapshot, LIST_LENGTH)
        board = self.scores["musicrec"]
        board.times_s.append(time.perf_counter() - started_s)
        board.listed.update(ranked.candidates[ranked.places[ranked.places >= 0]].tolist())
        board.count(rank_in(ranked, self.recommender.knowledge.catalogue.index_of(target)), is_repeat=is_repeat)
        tracks = [index for index in map(self._index_of.get, newest_first) if index is not None]
        session = self._session_number(snapshot.session_id)
        sought = self._index_of.get(target, -1)
        for name, baseline in self._baselines.items():
            board = self.scores[name]
            started_s = time.perf_counter()
            listed, scores = self._allowed(baseline.rank(session, tracks), tracks)
            board.times_s.append(time.perf_counter() - started_s)
            board.listed.update(listed[:LIST_LENGTH].tolist())
            board.count(conservative_rank(sought, listed, scores), is_repeat=is_repeat)

    def teach(self, snapshot: SessionSnapshot, plays: Sequence[str], before: str | None) -> None:
        """Let every model learn `snapshot`, whose newest plays are `plays`, oldest first, right after `before`."""
        self.recommender.learn(snapshot)
        session = self._session_number(snapshot.session_id)
        previous = None if before is None else self._number(before)
        for play in plays:
            track = self._number(play)
            for baseline in self._baselines.values():
                baseline.learn(session, track, previous)
            previous = track

    def figures(self) -> dict[str, object]:
        """Return the figures of every model by their published keys."""
        known = len(self._index_of)
        return {"models": {name: board.figures(known) for name, board in self.scores.items()}}

    def _allowed(self, ranking: Ranking, tracks: Sequence[int]) -> Ranking:
        """Drop the current track where the recommender may not list it either."""
        listed, scores = ranking
        if not self.recommender.settings.exclude_current or not tracks:
            return ranking
        allowed = listed != tracks[0]
        return listed[allowed], scores[allowed]

    def _number(self, track_id: str) -> int:
        return self._index_of.setdefault(track_id, len(self._index_of))

    def _session_number(self, session_id: str | None) -> int:
        return self._session_of.setdefault(str(session_id), len(self._session_of))


def rank_in(ranked: RankedList, target: int) -> int:
    """Return the place of `target` in the list, from 1, ties against us; 0 where the list does not hold it."""
    if target < 0:
        return 0
    shown = np.flatnonzero(ranked.candidates[ranked.places] == target)
    shown = shown[ranked.places[shown] >= 0]
    if len(shown) == 0:
        return 0
    return max(int(shown[0]) + 1, conservative_rank(target, ranked.candidates, ranked.candidate_scores))
