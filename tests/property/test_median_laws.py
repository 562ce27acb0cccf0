"""The shared selection network gives, bit for bit, the medians that SciPy gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import median_filter

from embedder.features.geometry import MEDIAN_WINDOW
from embedder.features.hpss import separate
from embedder.features.median import running_median

magnitudes = st.floats(0, 1e6, width=32)
ties = st.sampled_from([0.0, 0.5, 1.0])
shapes = st.tuples(st.integers(1, 90), st.integers(1, 40))


@settings(deadline=None, max_examples=80)
@given(
    x=arrays.arrays(np.float32, shapes, elements=magnitudes) | arrays.arrays(np.float32, shapes, elements=ties),
)
def test_every_median_is_the_one_of_scipy_edges_included(x: np.ndarray) -> None:
    ours, half = running_median(x), MEDIAN_WINDOW // 2
    padded = np.pad(x, ((half, half), (0, 0)), mode="symmetric")
    by_definition = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_WINDOW, axis=0), axis=-1)
    np.testing.assert_array_equal(ours, by_definition)
    if len(x) >= MEDIAN_WINDOW:  # on an axis shorter than its window, SciPy 1.17 departs from the definition
        np.testing.assert_array_equal(ours, median_filter(x, (MEDIAN_WINDOW, 1), mode="reflect"))


@settings(deadline=None, max_examples=40)
@given(x=arrays.arrays(np.float32, shapes, elements=magnitudes))
def test_a_median_commutes_with_a_monotone_map(x: np.ndarray) -> None:
    np.testing.assert_array_equal(running_median(np.sqrt(x)), np.sqrt(running_median(x)))


@settings(deadline=None, max_examples=30)
@given(value=magnitudes, shape=shapes)
def test_the_median_of_a_constant_is_the_constant(value: float, shape: tuple[int, int]) -> None:
    x = np.full(shape, value, np.float32)
    np.testing.assert_array_equal(running_median(x), x)


@settings(deadline=None, max_examples=20)
@given(x=arrays.arrays(np.float32, shapes, elements=magnitudes))
def test_a_column_does_not_depend_on_its_neighbours(x: np.ndarray) -> None:
    whole = running_median(x)
    for column in range(x.shape[1]):
        np.testing.assert_array_equal(whole[:, column : column + 1], running_median(x[:, column : column + 1]))


@settings(deadline=None, max_examples=20)
@given(x=arrays.arrays(np.float32, st.tuples(st.integers(120, 160), st.integers(1, 9)), elements=magnitudes))
def test_a_long_piece_in_chunks_with_a_halo_is_the_piece(x: np.ndarray) -> None:
    half, whole = MEDIAN_WINDOW // 2, running_median(x)
    chunk = running_median(x[30 : 90 + 2 * half])[half:-half]
    np.testing.assert_array_equal(chunk, whole[30 + half : 90 + half])


@settings(deadline=None, max_examples=20)
@given(x=arrays.arrays(np.float32, shapes, elements=st.floats(0, 1e3, width=32)))
def test_the_parts_are_never_negative_and_sum_to_the_whole(x: np.ndarray) -> None:
    harmonic, percussive = separate(x)
    assert (harmonic >= 0).all()
    assert (percussive >= 0).all()
    np.testing.assert_allclose(np.sqrt(harmonic) + np.sqrt(percussive), np.sqrt(x), rtol=1e-4, atol=1e-18)
