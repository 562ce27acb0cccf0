"""What came right after the current track: in all sessions, and in those of this listener."""

import heapq
from dataclasses import dataclass

import numpy as np

from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking
from musicrec.recommend.listener_memory import habit_scores


@dataclass(frozen=True, slots=True)
class Markov:
    """Counts of what came right after the last track."""

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the last track's most frequent followers; equal counts in order of first sight."""
        row = memory.followers.get(question.tracks[0], {}) if question.tracks else {}
        best = heapq.nsmallest(CANDIDATES, row, key=lambda track: (-row[track], track))
        return np.array(best, np.int64), np.array([row[track] for track in best], np.float64)


@dataclass(frozen=True, slots=True)
class PersonalMarkov:
    """What this listener played right after the last track, the newest times first; behind it what others did.

    A transition that is `recency_s` old counts half to the power of `recency_power`.
    """

    recency_s: float = 7.0 * 86_400
    recency_power: float = 1.0
    gap_s: int = 2_400
    """A play that ended more than this after the one before it began another session."""

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the followers in this listener's own plays, then the last track's followers in all sessions."""
        others = Markov().rank(memory, question)
        listener = memory.listeners.get(question.listener)
        if listener is None or not question.tracks:
            return others
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        count = habit_scores(
            listener.tracks,
            listener.ended_at_s,
            listener.strengths,
            listener.length,
            np.array(question.tracks[:1], np.int64),
            1,
            question.now_ms // 1000,
            memory.by_track.scores,
            memory.by_track.touched,
            1,
            1.0,
            1.0,
            0.0,
            self.gap_s,
            self.recency_s,
            self.recency_power,
            CANDIDATES,
            keys,
            scores,
        )
        return one_behind_the_other((keys[:count], scores[:count]), others)


def one_behind_the_other(first: Ranking, then: Ranking) -> Ranking:
    """Return both rankings as one: every track of `first` above those that only `then` has.

    >>> others = np.array([7, 8]), np.array([5.0, 3.0])
    >>> tracks, scores = one_behind_the_other((np.array([7]), np.array([0.1])), others)
    >>> tracks.tolist(), scores.tolist()
    ([7, 8], [3.1, 3.0])
    """
    behind = ~np.isin(then[0], first[0])
    tracks, scores = then[0][behind], then[1][behind]
    above = scores.max(initial=0.0)
    return np.concatenate([first[0], tracks]), np.concatenate([first[1] + above, scores])
