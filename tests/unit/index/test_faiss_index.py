"""When the replica trains lists, and what goes on meanwhile. What it answers is in the contract suite."""

import threading

import numpy as np
import pytest

from index.exact import ExactIndex
from index.faiss_index import FaissIndex, SearchConfig
from index.inverted_file import InvertedFile, lists_for, sample_size

DIMENSION = 32
SMALL = SearchConfig(exact_below=1_000, probes=8)


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Return unit vectors around 50 centres, shape (count, DIMENSION)."""
    centres = np.random.default_rng(99).standard_normal((50, DIMENSION))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 50, count)] + 0.3 * rng.standard_normal((count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def index_of(vectors: np.ndarray, config: SearchConfig = SMALL) -> FaissIndex:
    index = FaissIndex(DIMENSION, "cnn-1", config)
    for number, vector in enumerate(vectors):
        index.upsert(f"t{number}", vector)
    return index


def test_small_catalogue_stays_exact():
    index = index_of(clustered(999))
    assert not index.build_is_due()
    assert not index.build()
    assert index.is_exact


def test_catalogue_that_reaches_the_limit_is_given_lists_once():
    index = index_of(clustered(1_000))
    assert index.build()
    assert not index.is_exact
    assert not index.build_is_due()


def test_lists_are_trained_again_when_the_catalogue_has_doubled():
    index = index_of(clustered(1_000))
    index.build()
    for number, vector in enumerate(clustered(1_000, seed=1)):
        assert not index.build_is_due()
        index.upsert(f"new{number}", vector)
    assert index.build()
    assert not index.build_is_due()


def test_catalogue_that_shrinks_far_below_the_limit_becomes_exact_again():
    index = index_of(clustered(1_000))
    index.build()
    for number in range(501):
        index.remove(f"t{number}")
    assert index.build()
    assert index.is_exact
    assert len(index.search(clustered(1)[0], 1_000)) == 499


def test_approximate_search_finds_nearly_all_of_the_hundred_nearest():
    vectors, oracle = clustered(5_000), ExactIndex(DIMENSION, "cnn-1")
    index = index_of(vectors)
    index.build()
    for number, vector in enumerate(vectors):
        oracle.upsert(f"t{number}", vector)
    queries = clustered(50, seed=2)
    hits = [len(dict(index.search(q, 100)).keys() & dict(oracle.search(q, 100)).keys()) / 100 for q in queries]
    assert np.mean(hits) > 0.95


def test_search_returns_as_many_as_asked_for_even_where_the_opened_lists_hold_fewer():
    index = index_of(clustered(1_000), SearchConfig(exact_below=1_000, probes=1))
    index.build()
    assert len(dict(index.search(clustered(1)[0], 700))) == 700


@pytest.mark.row(44)
def test_two_replicas_of_one_catalogue_answer_alike():
    one, other = index_of(clustered(1_500)), index_of(clustered(1_500))
    one.build()
    other.build()
    query = clustered(1, seed=3)[0]
    assert one.search(query, 50) == other.search(query, 50)


def change_while(thread: threading.Thread, index: FaissIndex, at_least: int) -> dict[str, np.ndarray]:
    """Put and remove tracks until the thread ends; return what the index should then hold."""
    expected = {track: index.vector(track) for track in index.track_ids()}
    rng, changes = np.random.default_rng(5), 0
    thread.start()
    while thread.is_alive() or changes < at_least:
        track, vector = f"t{rng.integers(0, 3_500)}", clustered(1, seed=changes)[0]
        if rng.random() < 0.5:
            index.upsert(track, vector)
            expected[track] = vector
        elif index.remove(track):
            del expected[track]
        changes += 1
    thread.join()
    return expected


def test_changes_made_during_a_build_are_in_its_result():
    index = index_of(clustered(3_000), SearchConfig(exact_below=1_000, probes=10_000))
    expected = change_while(threading.Thread(target=index.build), index, at_least=500)
    assert not index.is_exact
    assert {track for track, _ in index.search(clustered(1)[0], 10_000)} == expected.keys()
    for track, vector in expected.items():
        assert index.vector(track) == pytest.approx(vector, abs=1e-3)


def test_copy_made_during_changes_holds_each_track_once():
    config = SearchConfig(exact_below=1_000, probes=10_000)
    index, copies = index_of(clustered(3_000), config), []
    index.build()
    change_while(threading.Thread(target=lambda: copies.append(index.copy())), index, at_least=500)
    copied = FaissIndex(DIMENSION, "cnn-1", config, contents=copies[0])
    found = [track for track, _ in copied.search(clustered(1)[0], 10_000)]
    assert sorted(found) == sorted(copied.track_ids())


def test_copy_is_not_changed_by_what_comes_after():
    index = index_of(clustered(1_200))
    index.build()
    copied = FaissIndex(DIMENSION, "cnn-1", SMALL, contents=index.copy())
    query = clustered(1, seed=4)[0]
    before = index.search(query, 20)
    for number in range(1_200):
        index.remove(f"t{number}")
    assert copied.search(query, 20) == before


def test_lists_never_outnumber_what_can_train_them():
    for vectors in (1, 39, 40, 1_000, 10_000, 1_000_000):
        assert 1 <= lists_for(vectors) <= max(1, vectors // 40)
        assert sample_size(vectors) <= vectors


def test_dropping_rows_that_are_not_there_is_no_error():
    file = InvertedFile.exact(DIMENSION)
    file.put(np.array([3]), clustered(1))
    file.drop(np.array([1, 2]))
    assert len(file) == 1
