"""Where training begins: tracks that are played near each other lie near each other.

Vectors are the left singular vectors of the positive pointwise mutual information of tracks in sessions, by the square
root of the singular values; it takes seconds and is worth ten epochs.

Source: Levy, Goldberg, Dagan, "Improving distributional similarity with lessons learned from word embeddings", TACL
2015 (weights by distance, contexts to the power 0.75, eigenvalues to the power 1/2).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd

from musicrec.sequence.training_sessions import TrainingSessions

WINDOW: Final = 9
"""Places apart that still count; a pair counts 1 / distance."""
CONTEXT_POWER: Final = 0.75
"""Rare contexts are worth a little less than their information says."""
POWER_ITERATIONS: Final = 4


def initial_vectors(training: TrainingSessions, dimension: int, seed: int) -> NDArray[np.float32]:
    """Return a unit vector per track, float32, shape (tracks, dimension)."""
    tracks = len(training.track_ids)
    dimension_found = min(dimension, tracks - 1)
    information = _mutual_information(_co_occurrences(training))
    left, singular, _ = randomized_svd(information, dimension_found, n_iter=POWER_ITERATIONS, random_state=seed)
    vectors = np.zeros((tracks, dimension), np.float32)
    vectors[:, :dimension_found] = left * np.sqrt(singular)
    # A track that is always alone has no direction: it begins somewhere.
    alone = np.linalg.norm(vectors, axis=1) < 1e-9
    vectors[alone] = np.random.default_rng(seed).normal(size=(int(alone.sum()), dimension))
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _co_occurrences(training: TrainingSessions) -> csr_matrix:
    tracks = len(training.track_ids)
    counts = csr_matrix((tracks, tracks), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        pairs = [session for session in training.sessions if len(session) > distance]
        if not pairs:
            break
        before = np.concatenate([session[:-distance] for session in pairs])
        after = np.concatenate([session[distance:] for session in pairs])
        weights = np.full(len(before), 1.0 / distance, np.float32)
        counts = counts + csr_matrix((weights, (before, after)), shape=(tracks, tracks))
    both_ways: csr_matrix = counts + counts.T
    return both_ways


def _mutual_information(counts: csr_matrix) -> csr_matrix:
    of_track = np.asarray(counts.sum(axis=1), np.float64).ravel()
    of_context = of_track**CONTEXT_POWER
    of_context /= max(of_context.sum(), 1e-12)
    pairs: coo_matrix = counts.tocoo()
    expected = of_track[pairs.row] * of_context[pairs.col]
    information = np.maximum(0.0, np.log(pairs.data / expected))
    found = csr_matrix((information.astype(np.float32), (pairs.row, pairs.col)), shape=counts.shape)
    found.eliminate_zeros()
    return found
