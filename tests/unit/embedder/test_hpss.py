"""Harmonic–percussive separation."""

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from embedder.features.geometry import N_BINS, SEGMENT_FRAMES
from embedder.features.hpss import separate
from embedder.features.median import running_median

pytestmark = pytest.mark.torch


def noise(segments: int = 2, frames: int = 40, bins: int = 70) -> torch.Tensor:
    return torch.rand((segments, frames, bins), generator=torch.Generator().manual_seed(5))


def test_the_parts_sum_to_the_whole() -> None:
    spectrum = noise()
    harmonic, percussive = separate(spectrum)
    torch.testing.assert_close(harmonic + percussive, spectrum)
    assert (harmonic >= 0).all()
    assert (percussive >= 0).all()


def test_masks_are_those_of_fitzgerald_with_scipy_medians() -> None:
    spectrum = noise(segments=1)
    along_time = median_filter(spectrum[0].numpy(), (31, 1))
    along_frequency = median_filter(spectrum[0].numpy(), (1, 31))
    expected = spectrum[0].numpy() * along_time**2 / (along_time**2 + along_frequency**2)
    np.testing.assert_allclose(separate(spectrum).harmonic[0].numpy(), expected, rtol=1e-5)


def test_a_steady_tone_is_harmonic_and_a_click_is_percussive() -> None:
    spectrum = torch.zeros((1, SEGMENT_FRAMES, N_BINS))
    spectrum[0, :, 100] = 1.0
    spectrum[0, 60, :] = 1.0
    spectrum[0, 60, 100] = 0.0
    harmonic, percussive = separate(spectrum)
    assert harmonic[0, 120, 100] == pytest.approx(1.0)
    assert percussive[0, 60, 500] == pytest.approx(1.0)


def test_each_segment_is_separated_for_itself() -> None:
    spectrum = noise(segments=3)
    torch.testing.assert_close(separate(spectrum).harmonic[1:2], separate(spectrum[1:2]).harmonic)


def test_silence_stays_silent() -> None:
    harmonic, percussive = separate(torch.zeros((1, 8, 9)))
    assert not harmonic.any()
    assert not percussive.any()


@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_a_median_over_no_rows_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        running_median(torch.zeros(shape), 31)
