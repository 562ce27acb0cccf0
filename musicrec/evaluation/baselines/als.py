"""Matrix factorisation for implicit feedback by alternating least squares.

Source: Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, by the library
`implicit`; the running session is folded in as a row of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from musicrec.errors import Incompatible
from musicrec.evaluation.baselines.factors import EVERY_PLAYS, rank_near
from musicrec.evaluation.baselines.session_matrix import session_matrix, weights_by_place
from musicrec.evaluation.play_memory import PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class Als:
    """score(session) = the session's factors, solved for, times those of the tracks.

    The newest factors come from the sessions known when the question came, `every_plays` plays ago at most.

    Attributes:
        dimension: of the factors.
        regularization: of both sides.
        confidence: what a track in a session counts more than one that is not in it.
        iterations: of alternating.
        place_decay: factor of confidence per place back in the running session.
        longest: newest tracks of it that count.
        repeat_factor: factor of the score of tracks that it holds already.
        every_plays: plays from one build to the next.
    """

    dimension: int = 128
    regularization: float = 0.1
    confidence: float = 10.0
    iterations: int = 15
    place_decay: float = 0.8
    longest: int = 20
    repeat_factor: float = 0.3
    every_plays: int = EVERY_PLAYS

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks nearest to the session.

        Raises:
            Incompatible: implicit is missing.
        """
        recipe = (Als, self.dimension, self.regularization, self.confidence, self.iterations, self.every_plays)
        model = memory.models.of(recipe, memory.plays, self.every_plays, lambda _: self._build(memory))
        tracks = len(model.item_factors)
        weights = weights_by_place(question.tracks, self.place_decay, self.longest)
        query = {track: weight for track, weight in weights.items() if track < tracks}
        if not query:
            return np.zeros(0, np.int64), np.zeros(0)
        from scipy.sparse import csr_matrix

        row = csr_matrix((np.array(list(query.values()), np.float32), ([0] * len(query), list(query))), (1, tracks))
        session = np.asarray(model.recalculate_user(0, row), np.float32).ravel()
        return rank_near(model.item_factors, session, memory, question, list(query), self.repeat_factor)

    def _build(self, memory: PlayMemory) -> Any:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ModuleNotFoundError:
            raise Incompatible("the baseline als needs implicit: pip install 'musicrec[bench]'") from None
        model = AlternatingLeastSquares(
            factors=self.dimension,
            regularization=self.regularization,
            alpha=self.confidence,
            iterations=self.iterations,
            num_threads=1,
            random_state=1,
        )
        model.fit(session_matrix(memory), show_progress=False)
        return model
