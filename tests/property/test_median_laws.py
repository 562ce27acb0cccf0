"""The shared selection network gives, bit for bit, the medians that SciPy gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import median_filter

from embedder.features.median import running_median

pytestmark = pytest.mark.torch

magnitudes = st.floats(0, 1e6, width=32)
ties = st.sampled_from([0.0, 0.5, 1.0])
shapes = st.tuples(st.integers(1, 90), st.integers(1, 4))
windows = st.integers(0, 20).map(lambda half: 2 * half + 1)


@settings(deadline=None, max_examples=60)
@given(
    x=arrays.arrays(np.float32, shapes, elements=magnitudes) | arrays.arrays(np.float32, shapes, elements=ties),
    w=windows,
)
def test_every_median_is_the_one_of_scipy_edges_included(x: np.ndarray, w: int) -> None:
    ours = running_median(torch.from_numpy(x), w).numpy()
    padded = np.pad(x, ((w // 2, w // 2), (0, 0)), mode="symmetric")
    by_definition = np.median(np.lib.stride_tricks.sliding_window_view(padded, w, axis=0), axis=-1)
    np.testing.assert_array_equal(ours, by_definition)
    if len(x) >= w:  # on an axis shorter than its window, SciPy 1.17 departs from the definition
        np.testing.assert_array_equal(ours, median_filter(x, (w, 1), mode="reflect"))


@settings(deadline=None, max_examples=40)
@given(x=arrays.arrays(np.float32, shapes, elements=magnitudes), w=windows)
def test_a_median_commutes_with_a_monotone_map(x: np.ndarray, w: int) -> None:
    before = running_median(torch.from_numpy(np.sqrt(x)), w).numpy()
    after = np.sqrt(running_median(torch.from_numpy(x), w).numpy())
    np.testing.assert_array_equal(before, after)


@settings(deadline=None, max_examples=30)
@given(value=magnitudes, shape=shapes, w=windows)
def test_the_median_of_a_constant_is_the_constant(value: float, shape: tuple[int, int], w: int) -> None:
    x = torch.full(shape, value)
    assert torch.equal(running_median(x, w), x)


@settings(deadline=None, max_examples=20)
@given(x=arrays.arrays(np.float32, st.tuples(st.integers(1, 70), st.just(2), st.just(3)), elements=magnitudes))
def test_further_axes_are_independent_lanes(x: np.ndarray) -> None:
    whole = running_median(torch.from_numpy(x), 31)
    for lane in np.ndindex(2, 3):
        alone = running_median(torch.from_numpy(x[:, *lane].copy()), 31)
        assert torch.equal(whole[:, *lane], alone)
