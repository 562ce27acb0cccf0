"""What this listener played lately and often."""

from dataclasses import dataclass

import numpy as np

from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking
from musicrec.recommend.listener_memory import base_level_scores


@dataclass(frozen=True, slots=True)
class PersonalRecency:
    """ACT-R's base level over the listener's plays, with the number of plays since as the clock.

    A track gets the sum over its plays of (plays since)^-decay.

    Source: Tran et al., "Transformers meet ACT-R", RecSys 2024.
    """

    decay: float = 0.8
    longest_look: int = 2_000

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the listener's tracks."""
        listener = memory.listeners.get(question.listener)
        if listener is None:
            return np.zeros(0, np.int64), np.zeros(0)
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        since = np.arange(1, min(self.longest_look, listener.length) + 1, dtype=np.float64)
        count = base_level_scores(
            listener.tracks,
            listener.strengths,
            listener.length,
            since**-self.decay,
            memory.by_track.scores,
            memory.by_track.touched,
            CANDIDATES,
            keys,
            scores,
        )
        return keys[:count], scores[:count]
