"""Truncated SVD of the matrix of sessions and tracks.

Sources: Cremonesi, Koren, Turrin, "Performance of recommender algorithms on top-N recommendation tasks", RecSys 2010
(PureSVD: a new row is folded in by the tracks' factors alone); Nikolakopoulos, Kalantzis, Gallopoulos, Garofalakis,
"EigenRec", Knowledge and Information Systems 2019 (columns scaled by a power of their length).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import Incompatible
from musicrec.evaluation.baselines.factors import EVERY_PLAYS, rank_near
from musicrec.evaluation.baselines.session_matrix import session_matrix, weights_by_place
from musicrec.evaluation.play_memory import PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class TrackFactors:
    """Right singular vectors, float32, shape (tracks, dimension), and what each track weighs in a query."""

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TruncatedSvd:
    """score(session) = (session · weights) V Vᵀ.

    The newest V comes from the sessions known when the question came, `every_plays` plays ago at most.

    Attributes:
        dimension: singular vectors kept; fewer where there are fewer sessions or tracks.
        popularity_power: a track in n sessions weighs n^((popularity_power - 1) / 2); 1 is PureSVD.
        session_power: a session of n tracks weighs n^-session_power.
        place_decay: factor per place back in the running session.
        longest: newest tracks of it that count.
        repeat_factor: factor of the score of tracks that it holds already.
        every_plays: plays from one build to the next.
    """

    dimension: int = 512
    popularity_power: float = 0.4
    session_power: float = 0.5
    place_decay: float = 0.7
    longest: int = 20
    repeat_factor: float = 0.3
    every_plays: int = EVERY_PLAYS

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks nearest to the session.

        Raises:
            Incompatible: scipy or scikit-learn is missing.
        """
        recipe = (TruncatedSvd, self.dimension, self.popularity_power, self.session_power, self.every_plays)
        factors = memory.models.of(recipe, memory.plays, self.every_plays, lambda _: self._build(memory))
        query = {
            track: weight
            for track, weight in weights_by_place(question.tracks, self.place_decay, self.longest).items()
            if track < len(factors.vectors)
        }
        if not query:
            return np.zeros(0, np.int64), np.zeros(0)
        tracks = np.array(list(query))
        weights = np.array(list(query.values()), np.float32) * factors.weights[tracks]
        session = weights @ factors.vectors[tracks]
        return rank_near(factors.vectors, session, memory, question, list(query), self.repeat_factor)

    def _build(self, memory: PlayMemory) -> TrackFactors:
        try:
            from sklearn.utils.extmath import randomized_svd
        except ModuleNotFoundError:
            raise Incompatible("the baseline svd needs scikit-learn: pip install 'musicrec[bench]'") from None
        from scipy.sparse import diags

        matrix = session_matrix(memory)
        in_sessions = np.maximum(1.0, np.asarray(matrix.sum(axis=0), np.float32).ravel())
        weights = in_sessions ** np.float32((self.popularity_power - 1) / 2)
        lengths = np.maximum(1.0, np.asarray(matrix.sum(axis=1), np.float32).ravel())
        scaled = diags(lengths ** np.float32(-self.session_power)) @ matrix @ diags(weights)
        dimension = min(self.dimension, *matrix.shape)
        _, _, vectors = randomized_svd(scaled.tocsr(), dimension, n_iter=2, random_state=1)
        return TrackFactors(np.ascontiguousarray(vectors.T, np.float32), weights)
