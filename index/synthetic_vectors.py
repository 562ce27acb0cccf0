"""Vectors for measurements: clustered, of low intrinsic dimension, as embeddings of music are and noise is not.

Uniform vectors would be a caricature: in 192 dimensions they are all equally far apart, and no index finds anything.
"""

import numpy as np

from index.vector_index import Vector

LATENT_DIMENSIONS = 48
CLUSTERS = 1_000
CLUSTER_SPREAD = 0.6
"""Deviation within a cluster, where that between centres is 1: clusters overlap."""
NOISE = 0.02
"""Deviation of each component outside the latent space, before scaling to unit length."""
BLOCK = 50_000


def synthetic_vectors(count: int, dimension: int, *, seed: int) -> Vector:
    """Return unit vectors, shape (count, dimension), float32; the clusters are the same for every seed.

    Cluster sizes fall off as rank^-0.7, as those of genres do.
    """
    shared = np.random.default_rng(0)
    latent = min(LATENT_DIMENSIONS, dimension)
    basis = np.linalg.qr(shared.standard_normal((dimension, latent)))[0].T.astype(np.float32)
    centres = shared.standard_normal((CLUSTERS, latent), dtype=np.float32)
    share = np.arange(1, CLUSTERS + 1) ** -0.7
    rng = np.random.default_rng([1, seed])
    vectors = np.empty((count, dimension), np.float32)
    for start in range(0, count, BLOCK):
        block = vectors[start : start + BLOCK]
        places = centres[rng.choice(CLUSTERS, len(block), p=share / share.sum())]
        places += CLUSTER_SPREAD * rng.standard_normal(places.shape, dtype=np.float32)
        places /= np.linalg.norm(places, axis=1, keepdims=True)
        block[:] = places @ basis + NOISE * rng.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors
