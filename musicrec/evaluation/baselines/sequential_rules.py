"""Sequential rules: what follows the tracks just played, in all sessions."""

from dataclasses import dataclass

import numpy as np

from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking
from musicrec.recommend.sequential_rules import rule_scores


@dataclass(frozen=True, slots=True)
class SequentialRules:
    """SR with several antecedents, which is stronger than with the last one alone."""

    antecedents: int = 10
    antecedent_decay: float = 0.7
    longest_step: int = 15
    rows_per_track: int = 2_048
    recency_ms: float = 30.0 * 86_400_000
    recency_power: float = 1.0
    repeat_factor: float = 1.0

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return what follows most."""
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        query = np.array(list(dict.fromkeys(question.tracks)), np.int64)
        store = memory.sessions
        count = rule_scores(
            query,
            min(len(query), self.antecedents),
            len(query),
            question.session,
            question.now_ms,
            store.tracks,
            store.strengths,
            store.lengths,
            store.ended_at_ms,
            store.session,
            store.next_serial,
            store.rows_of.values,
            store.rows_of.start,
            store.rows_of.room,
            store.rows_of.written,
            memory.by_track.scores,
            memory.by_track.touched,
            memory.totals.scores,
            memory.totals.touched,
            self.rows_per_track,
            self.longest_step,
            self.antecedent_decay,
            self.recency_ms,
            self.recency_power,
            self.repeat_factor,
            CANDIDATES,
            keys,
            scores,
        )
        return keys[:count], scores[:count]
