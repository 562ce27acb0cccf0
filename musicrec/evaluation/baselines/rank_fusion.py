"""Several baselines as one, by reciprocal-rank fusion.

Source: Cormack, Clarke, Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
methods", SIGIR 2009.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from musicrec.evaluation.baselines.baseline import Baseline
from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class RankFusion:
    """score(track) = sum over parts of weight / (rank_constant + rank), rank from 1."""

    parts: tuple[tuple[Baseline, float], ...]
    rank_constant: float = 10.0

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the fused list; equal scores in order of the lower index."""
        fused: defaultdict[int, float] = defaultdict(float)
        for part, weight in self.parts:
            tracks, _ = part.rank(memory, question)
            for rank, track in enumerate(tracks.tolist(), 1):
                fused[track] += weight / (self.rank_constant + rank)
        best = sorted(fused, key=lambda track: (-fused[track], track))[:CANDIDATES]
        return np.array(best, np.int64), np.array([fused[track] for track in best], np.float64)
