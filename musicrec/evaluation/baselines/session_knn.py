"""Sessions like this one vote for their tracks: VMIS-kNN as Serenade runs it, and VSTAN."""

from dataclasses import dataclass

import numpy as np

from musicrec.evaluation.baselines.vmis_votes import vmis_votes
from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking
from musicrec.recommend.session_knn import knn_votes


@dataclass(frozen=True, slots=True)
class VmisKnn:
    """VMIS-kNN, at the settings that the authors of Serenade publish."""

    neighbours: int = 288
    newest_rows: int = 1_502
    query_length: int = 4
    idf: float = 2.0

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks of the nearest sessions."""
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        store = memory.sessions
        count = vmis_votes(
            np.array(question.tracks[: self.query_length], np.int64),
            question.session,
            store.tracks,
            store.lengths,
            store.session,
            store.next_serial,
            store.rows_of.values,
            store.rows_of.start,
            store.rows_of.room,
            store.rows_of.written,
            memory.by_row.scores,
            memory.by_row.touched,
            memory.row_match,
            memory.by_track.scores,
            memory.by_track.touched,
            np.zeros(self.neighbours, np.int64),
            np.zeros(self.neighbours),
            self.newest_rows,
            self.idf,
            keys,
            scores,
        )
        return keys[:count], scores[:count]


@dataclass(frozen=True, slots=True)
class Vstan:
    """VSTAN: neighbours weighed by how lately they were, votes by how near they stand to the matched track.

    Source: Ludewig, Mauro, Latifi, Jannach, "Empirical analysis of session-based recommendation algorithms", User
    Modeling and User-Adapted Interaction, 2021.  The repeat factor, and a power law in place of the exponential of the
    neighbours' age, are ours and make it stronger.
    """

    query_length: int = 20
    neighbours: int = 200
    rows_per_track: int = 5_000
    position_decay: float = 8.0
    match_decay: float = 2.0
    distance_decay: float = 8.0
    before_match: float = 0.5
    idf: float = 1.0
    recency_ms: float = 7.0 * 86_400_000
    recency_power: float = 0.5
    repeat_factor: float = 1.0

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks of the nearest sessions."""
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        query = np.array(list(dict.fromkeys(question.tracks))[: self.query_length], np.int64)
        store = memory.sessions
        count = knn_votes(
            query,
            len(query),
            question.session,
            -1,
            question.now_ms,
            store.tracks,
            store.strengths,
            store.lengths,
            store.ended_at_ms,
            store.session,
            store.listener,
            store.next_serial,
            store.rows_of.values,
            store.rows_of.start,
            store.rows_of.room,
            store.rows_of.written,
            memory.by_row.scores,
            memory.by_row.touched,
            memory.row_match,
            memory.by_track.scores,
            memory.by_track.touched,
            np.zeros(self.neighbours, np.int64),
            np.zeros(self.neighbours),
            self.rows_per_track,
            self.position_decay,
            self.match_decay,
            self.distance_decay,
            self.before_match,
            self.idf,
            self.recency_ms,
            self.recency_power,
            1.0,
            self.repeat_factor,
            CANDIDATES,
            keys,
            scores,
        )
        return keys[:count], scores[:count]
