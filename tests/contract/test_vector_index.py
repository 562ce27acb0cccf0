"""One suite over every `VectorIndex`: the oracle, the replica that scans, the replica with an inverted file."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.exact import ExactIndex
from index.faiss_index import FaissIndex, SearchConfig
from index.vector_index import VectorIndex
from musicrec.errors import BadInput

DIMENSION = 8
HALF_ROUNDING = 2.0**-10
"""Cosines of float16 rows are off by less than 2^-11 on either side."""

ALWAYS_APPROXIMATE = SearchConfig(exact_below=4, probes=1_000)
"""With every list opened, the inverted file must find what a scan finds."""


def exact() -> ExactIndex:
    return ExactIndex(DIMENSION, "cnn-1")


def scanning() -> FaissIndex:
    return FaissIndex(DIMENSION, "cnn-1")


def inverted() -> FaissIndex:
    return FaissIndex(DIMENSION, "cnn-1", ALWAYS_APPROXIMATE)


@pytest.fixture(params=[exact, scanning, inverted])
def make(request: pytest.FixtureRequest) -> Callable[[], VectorIndex]:
    return request.param


def settle(index: VectorIndex) -> VectorIndex:
    """Build the inverted file, where there is to be one."""
    if isinstance(index, FaissIndex):
        index.build()
    return index


def axis(*components: float) -> np.ndarray:
    vector = np.zeros(DIMENSION, np.float32)
    vector[: len(components)] = components
    return vector


def filled(index: VectorIndex, tracks: int = 6) -> VectorIndex:
    for number in range(tracks):
        index.upsert(f"t{number}", axis(np.cos(number / 4), np.sin(number / 4)))
    return settle(index)


def test_nearest_tracks_come_first_with_their_cosines(make):
    neighbours = filled(make()).search(axis(1.0), 3)
    assert [track for track, _ in neighbours] == ["t0", "t1", "t2"]
    assert [cosine for _, cosine in neighbours] == pytest.approx([1, np.cos(1 / 4), np.cos(2 / 4)], abs=HALF_ROUNDING)


def test_length_of_a_vector_does_not_matter(make):
    index = make()
    index.upsert("long", axis(3e19, 4e19))  # its square is beyond float32
    assert index.vector("long") == pytest.approx(axis(0.6, 0.8), abs=HALF_ROUNDING)
    assert index.search(axis(1e-3), 1)[0][1] == pytest.approx(0.6, abs=HALF_ROUNDING)


def test_track_put_again_is_found_at_its_new_place_only(make):
    index = filled(make())
    index.upsert("t0", axis(0, 0, 1))
    assert len(index) == 6
    assert index.search(axis(0, 0, 1), 1) == [("t0", 1.0)]
    assert [track for track, _ in index.search(axis(1.0), 2)] == ["t1", "t2"]


def test_removed_track_is_never_found(make):
    index = filled(make())
    assert index.remove("t0")
    assert "t0" not in index
    assert index.vector("t0") is None
    assert [track for track, _ in index.search(axis(1.0), 10)] == ["t1", "t2", "t3", "t4", "t5"]


def test_removing_an_unknown_track_changes_nothing(make):
    index = filled(make())
    assert not index.remove("nobody")
    assert len(index) == 6


def test_track_removed_and_put_back_is_found_once(make):
    index = filled(make())
    index.remove("t5")
    index.upsert("t5", axis(1.0))
    tracks = [track for track, _ in index.search(axis(1.0), 10)]
    assert sorted(tracks) == ["t0", "t1", "t2", "t3", "t4", "t5"]


@pytest.mark.row(44)
def test_equal_cosines_are_ordered_by_track_id(make):
    index = make()
    for track in ("c", "a", "d", "b"):
        index.upsert(track, axis(1.0))
    assert [track for track, _ in settle(index).search(axis(1.0), 4)] == ["a", "b", "c", "d"]


def test_empty_index_answers_with_nothing(make):
    index = make()
    assert len(index) == 0
    assert index.search(axis(1.0), 5) == []


def test_index_emptied_again_answers_with_nothing_and_fills_again(make):
    index = filled(make())
    for number in range(6):
        index.remove(f"t{number}")
    assert index.search(axis(1.0), 5) == []
    index.upsert("new", axis(0, 1))
    assert [track for track, _ in index.search(axis(1.0), 5)] == ["new"]


def test_opposite_tracks_are_found_when_there_is_nothing_nearer(make):
    index = make()
    index.upsert("opposite", axis(-1.0))
    assert index.search(axis(1.0), 3) == [("opposite", -1.0)]


@pytest.mark.row(24)
@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.full(DIMENSION, np.nan), "NaN"),
        (axis(np.inf), "infinity"),
        (np.zeros(DIMENSION), "direction"),
        (np.ones(DIMENSION + 1), r"shape \(9,\)"),
        (np.ones((2, DIMENSION)), "shape"),
        (["loud"] * DIMENSION, "not an array of numbers"),
    ],
)
def test_vector_that_has_no_direction_here_is_refused_and_leaves_no_trace(make, vector, message):
    index = filled(make())
    with pytest.raises(BadInput, match=message):
        index.upsert("bad", vector)
    with pytest.raises(BadInput, match=message):
        index.search(vector, 1)
    assert "bad" not in index
    assert len(index) == 6


def test_search_for_no_track_is_refused(make):
    with pytest.raises(BadInput, match="k: 0"):
        make().search(axis(1.0), 0)


coordinates = st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION).filter(any)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.integers(0, 11), coordinates),
        st.tuples(st.just("remove"), st.integers(0, 11), st.just([])),
        st.tuples(st.just("build"), st.just(0), st.just([])),
    ),
    max_size=40,
)


@given(changes, coordinates, st.integers(1, 15))
@settings(max_examples=150, deadline=None)
def test_any_sequence_of_changes_leaves_the_replica_equal_to_the_oracle(changes, query, k):
    oracle, replicas = exact(), [scanning(), inverted()]
    for change, number, coordinates in changes:
        for index in (oracle, *replicas):
            if change == "upsert":
                index.upsert(f"t{number}", coordinates)
            elif change == "remove":
                index.remove(f"t{number}")
            else:
                settle(index)
    cosines = dict(oracle.search(query, 100))
    expected = sorted(cosines.values(), reverse=True)[:k]
    for replica in replicas:
        found = replica.search(query, k)
        assert len(replica) == len(oracle)
        assert len(dict(found)) == min(k, len(oracle))
        # Rank by rank the cosine is the oracle's; which of two equals came first is rounding.
        assert [cosine for _, cosine in found] == pytest.approx(expected, abs=HALF_ROUNDING)
        assert [cosine for _, cosine in found] == pytest.approx([cosines[t] for t, _ in found], abs=HALF_ROUNDING)
