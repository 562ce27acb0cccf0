"""Baselines of audio likeness."""

import numpy as np
import pytest

from embedder.features.geometry import SAMPLE_RATE_HZ
from embedder.mfcc import mfcc_statistics, spectral_statistics

pytestmark = pytest.mark.torch

TONE = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ).astype(np.float32)


@pytest.mark.parametrize("pcm", [TONE, TONE[:10], np.zeros(100, np.float32)], ids=["second", "click", "silence"])
def test_statistics_are_finite_however_short_the_track(pcm: np.ndarray) -> None:
    mfcc, spectral = mfcc_statistics(pcm), spectral_statistics(pcm)
    assert (mfcc.shape, spectral.shape) == ((60,), (40,))
    assert np.isfinite(mfcc).all()
    assert np.isfinite(spectral).all()


def test_of_a_tone_the_loudest_chroma_is_its_note_and_the_centroid_its_pitch() -> None:
    spectral = spectral_statistics(TONE)
    assert spectral[14 : 14 + 12].argmax() == 9  # A, C first
    assert spectral[38] == pytest.approx(440, rel=0.1)
