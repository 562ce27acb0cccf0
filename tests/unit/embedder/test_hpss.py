"""Harmonic–percussive separation."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from embedder.features.geometry import N_BINS, SEGMENT_FRAMES
from embedder.features.hpss import separate
from embedder.features.median import running_median
from embedder.features.turning import turned


def noise(bins: int = 70, frames: int = 40) -> np.ndarray:
    return np.random.default_rng(5).random((bins, frames), np.float32)


def test_the_parts_sum_to_the_whole() -> None:
    spectrum = noise()
    harmonic, percussive = separate(spectrum**2)
    np.testing.assert_allclose(np.sqrt(harmonic) + np.sqrt(percussive), spectrum, rtol=1e-5)
    assert (harmonic >= 0).all()
    assert (percussive >= 0).all()


def test_masks_are_those_of_fitzgerald_with_scipy_medians() -> None:
    spectrum = noise()
    along_time = median_filter(spectrum, (1, 31))
    along_frequency = median_filter(spectrum, (31, 1))
    expected = spectrum * along_time**2 / (along_time**2 + along_frequency**2)
    np.testing.assert_allclose(np.sqrt(separate(spectrum**2).harmonic), expected, rtol=1e-5)


def test_a_steady_tone_is_harmonic_and_a_click_is_percussive() -> None:
    spectrum = np.zeros((N_BINS, SEGMENT_FRAMES), np.float32)
    spectrum[100] = 1.0
    spectrum[:, 60] = 1.0
    spectrum[100, 60] = 0.0
    harmonic, percussive = separate(spectrum)
    assert harmonic[100, 120] == pytest.approx(1.0)
    assert percussive[500, 60] == pytest.approx(1.0)


def test_silence_stays_silent() -> None:
    harmonic, percussive = separate(np.zeros((9, 8), np.float32))
    assert not harmonic.any()
    assert not percussive.any()


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (2, 3, 4)])
def test_a_median_over_what_has_no_rows_and_columns_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two axes and at least one row"):
        running_median(np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (16, 16), (17, 33), (64, 15), (3, 200)])
def test_a_turned_matrix_is_its_transpose(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(1).random(shape, np.float32)
    np.testing.assert_array_equal(turned(x), x.T)
