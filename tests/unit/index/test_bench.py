"""The measurement measures what it says; how long it took is nobody's law."""

import numpy as np
import pytest

from index.bench import measure_index
from index.synthetic_vectors import synthetic_vectors


def test_small_catalogue_is_searched_exactly_and_its_recall_is_full():
    report = measure_index(1_000, 16, probes=(4,))
    assert report.exact.recall == 1
    assert report.ours.recall > 0.99  # float16 may swap two tracks at the hundredth place
    assert report.snapshot_mb > 1_000 * 16 * 2 / 1e6


def test_graph_is_measured_beside_it_only_if_asked_for():
    assert measure_index(1_000, 8, probes=()).by_breadth == {}
    graph = measure_index(1_000, 8, probes=(), graph=True)
    assert graph.graph_build_s is not None
    assert graph.by_breadth[512].recall > 0.9


def test_synthetic_vectors_have_unit_length_and_depend_on_the_seed_alone():
    vectors = synthetic_vectors(2_000, 32, seed=3)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2_000), abs=1e-5)
    assert np.array_equal(vectors, synthetic_vectors(2_000, 32, seed=3))
    assert not np.array_equal(vectors, synthetic_vectors(2_000, 32, seed=4))


def test_synthetic_vectors_of_different_seeds_share_their_clusters():
    one, other = synthetic_vectors(3_000, 64, seed=0), synthetic_vectors(50, 64, seed=1)
    nearest = (other @ one.T).max(axis=1)
    unrelated = np.random.default_rng(0).standard_normal((50, 64))
    unrelated /= np.linalg.norm(unrelated, axis=1, keepdims=True)
    assert nearest.mean() > (unrelated @ one.T).max(axis=1).mean() + 0.2
