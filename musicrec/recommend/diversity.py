"""Lists that do not say the same thing twenty times: maximal marginal relevance.

Place by place the candidate with the largest

    (1 - diversity) · relevance - diversity · max over what is listed of similarity

is taken.  Relevance is the score, brought to 0 for the worst and 1 for the best of the candidates looked at.
Similarity is the mean of what is known of both tracks: whether they have the same artist, and the cosines of the
session encoder's vectors and of the sound's, 0 where they point away from each other.

Source: Carbonell, Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
summaries", SIGIR 1998.
"""

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel

Vectors = NDArray[np.float32]
"""Unit vectors, shape (candidates, dimension); a row of zeros where a candidate has none."""


def varied_places(
    scores: NDArray[np.float64], artists: NDArray[np.int32], encoded: Vectors, sounds: Vectors, diversity: float
) -> NDArray[np.int64]:
    """Return the places of all candidates, int64, in the order in which they are taken.

    Args:
        scores: best first.
        artists: of each, -1 where it is not known.
        encoded: of each the session encoder's vector.
        sounds: of each the vector of its sound.
        diversity: 0 keeps the order.
    """
    places = np.zeros(len(scores), np.int64)
    take_varied(scores, artists, encoded, sounds, diversity, np.zeros(len(scores)), places)
    return places


@fast_kernel
def take_varied(
    scores: NDArray[np.float64],
    artists: NDArray[np.int32],
    encoded: NDArray[np.float32],
    sounds: NDArray[np.float32],
    diversity: float,
    likeness: NDArray[np.float64],
    out: NDArray[np.int64],
) -> None:
    """Write the places of all candidates in the order in which they are taken.

    Args:
        scores, artists, encoded, sounds, diversity: see `varied_places`.
        likeness: per candidate, 0; then the similarity to the most similar one taken.
    """
    count = len(scores)
    if count == 0:
        return
    worst = scores[count - 1]
    spread = scores[0] - worst
    is_taken = np.zeros(count, np.bool_)
    for place in range(count):
        best = -1
        best_value = 0.0
        for i in range(count):
            if is_taken[i]:
                continue
            relevance = (scores[i] - worst) / spread if spread > 0.0 else 0.0
            value = (1.0 - diversity) * relevance - diversity * likeness[i]
            if best < 0 or value > best_value:  # of equal ones the first
                best, best_value = i, value
        out[place] = best
        is_taken[best] = True
        for i in range(count):
            if not is_taken[i]:
                likeness[i] = max(likeness[i], _similarity(best, i, artists, encoded, sounds))


@fast_kernel
def _similarity(
    one: int,
    other: int,
    artists: NDArray[np.int32],
    encoded: NDArray[np.float32],
    sounds: NDArray[np.float32],
) -> float:
    known = 0
    total = 0.0
    if artists[one] >= 0 and artists[other] >= 0:
        known += 1
        total += 1.0 if artists[one] == artists[other] else 0.0
    for vectors in (encoded, sounds):
        cosine = np.float32(0.0)
        length = np.float32(0.0)
        other_length = np.float32(0.0)
        for component in range(vectors.shape[1]):
            cosine += vectors[one, component] * vectors[other, component]
            length += abs(vectors[one, component])
            other_length += abs(vectors[other, component])
        if length > 0.0 and other_length > 0.0:
            known += 1
            total += max(0.0, float(cosine))
    return total / known if known > 0 else 0.0
