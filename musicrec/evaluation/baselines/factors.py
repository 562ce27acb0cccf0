"""What baselines of track factors have in common: the running session is folded in, and what is near it is listed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.baselines.session_matrix import companions
from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking

EVERY_PLAYS = 50_000
"""Plays from one build of the factors to the next: about a month of the #nowplaying sessions."""
ROWS_PER_TRACK = 512
"""Newest sessions of a track whose tracks are scored."""


def rank_near(
    factors: NDArray[np.float32],
    session: NDArray[np.float32],
    memory: PlayMemory,
    question: Question,
    query: Sequence[int],
    repeat_factor: float,
) -> Ranking:
    """Return the tracks whose factors have the largest positive inner product with those of the session.

    Only tracks that share a session with one of the query are scored: factors of few dimensions find much else near
    that nobody ever plays together, and on validation data this is better as well as ten times as fast.

    Args:
        factors: float32, shape (tracks, dimension).
        session: float32, shape (dimension,).
        query: tracks of the session that count.
        repeat_factor: factor of the score of tracks that the session holds already.
    """
    tracks = companions(memory, question, query, ROWS_PER_TRACK)
    tracks = tracks[tracks < len(factors)]  # those first heard since the last build have none
    scores = (factors[tracks] @ session).astype(np.float64)
    scores[np.isin(tracks, np.array(question.tracks))] *= repeat_factor
    order = np.lexsort((tracks, -scores))[:CANDIDATES]
    order = order[scores[order] > 0]
    return tracks[order], scores[order]
