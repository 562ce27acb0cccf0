"""What adaptation to a catalogue is worth: each clip in vectors of weights that heard nothing of its label.

The labels are cut into halves, so that a label's clips are all in one.  Weights are adapted to the clips of one half,
without their labels, and asked about the other.  `whole`: the five nearest of all clips; the half that was adapted to
is among them, as in a catalogue that grew since.  `half`: the five nearest within the half that nobody heard, which is
easier for everybody: it has fewer other labels.  Both are counted with the same clips as candidates for every model.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.audio import precision_of_each

Vectors = NDArray[np.floating]
Adapt = Callable[[Sequence[int]], Vectors]
"""Adapts to the clips at these places, and returns the vectors of all clips."""


def halves(labels: Sequence[str], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of two halves that share no label; the clips of each are as near to half as comes at random."""
    names = np.array(sorted(set(labels)))
    order = np.random.default_rng(seed).permutation(names)
    first = np.isin(np.asarray(labels), order[: len(order) // 2])
    return np.flatnonzero(first), np.flatnonzero(~first)


def unheard_precision(adapt: Adapt, labels: Sequence[str], seed: int) -> dict[str, float]:
    """Return precision@5 of each clip in vectors adapted to the other half, `whole` and `half`."""
    one, other = halves(labels, seed)
    names = np.asarray(labels)
    whole, half = np.zeros(len(names)), np.zeros(len(names))
    for heard, unheard in ((one, other), (other, one)):
        vectors = adapt(heard.tolist())
        whole[unheard] = precision_of_each(vectors, labels)[unheard]
        half[unheard] = precision_of_each(vectors[unheard], names[unheard].tolist())
    return {"whole": float(whole.mean()), "half": float(half.mean())}
