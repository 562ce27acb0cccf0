"""Mel filters, levels and images."""

import librosa
import numpy as np
import pytest

from embedder.features.fourier import power_of_frames
from embedder.features.geometry import (
    DYNAMIC_RANGE_DB,
    FFT_SIZE,
    HOP_LENGTH,
    MAX_SEGMENTS,
    MEL_BANDS,
    N_BINS,
    SAMPLE_RATE_HZ,
    SEGMENT_FRAMES,
    SEGMENT_HOP,
    SEGMENT_SAMPLES,
)
from embedder.features.logmel import FLOOR_DB, hz_to_mel, images, mel_filters, mel_level_db, mel_to_hz
from embedder.features.spectrogram import analysis_window, cut_segments, power_spectrum
from embedder.features.vector_registers import LANES


def tone(hz: float, samples: int = SEGMENT_SAMPLES) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(samples) / SAMPLE_RATE_HZ).astype(np.float32)


def test_the_scale_is_slaney_s() -> None:
    hz = np.array([0.0, 27.5, 440.0, 1000.0, 4000.0, 11025.0])
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


def test_no_band_is_blind_and_each_weighs_one() -> None:
    filters = mel_filters()
    assert filters.shape == (MEL_BANDS, N_BINS)
    np.testing.assert_allclose(filters.sum(axis=1), 1.0, rtol=1e-5)


def test_magnitudes_are_those_of_librosa_on_the_same_frames() -> None:
    pcm = np.random.default_rng(1).standard_normal(SEGMENT_SAMPLES).astype(np.float32)
    ours = np.sqrt(power_spectrum(pcm))
    theirs = np.abs(librosa.stft(pcm, n_fft=2048, hop_length=HOP_LENGTH, center=False))
    assert ours.shape == (N_BINS, SEGMENT_FRAMES)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_a_full_scale_sine_reads_about_zero_decibels_at_its_own_band() -> None:
    level = mel_level_db(power_spectrum(tone(1000.0))).mean(axis=1)
    edges = mel_to_hz(np.linspace(*(float(hz_to_mel(np.array(hz))) for hz in (27.5, 11025.0)), MEL_BANDS + 2))
    loudest = int(level.argmax())
    assert edges[loudest] < 1000 + 22
    assert edges[loudest + 2] > 1000 - 22
    assert -3 < float(level.max()) <= 0.5


def test_silence_reads_the_floor() -> None:
    level = mel_level_db(np.zeros((N_BINS, 2), np.float32))
    assert np.unique(level).tolist() == [pytest.approx(FLOOR_DB, abs=1e-4)]


def parts(*levels_db: np.ndarray) -> np.ndarray:
    return np.stack(levels_db, axis=1)


def test_an_image_does_not_change_with_loudness() -> None:
    db = np.random.default_rng(1).random((2, MEL_BANDS, 5), np.float32) * 60 - 60
    np.testing.assert_allclose(images(parts(db, db - 3, db - 6)), images(parts(db + 9, db + 6, db + 3)), atol=1e-6)


def test_channels_keep_the_balance_of_the_parts() -> None:
    db = np.full((1, MEL_BANDS, 4), -10.0, np.float32)
    picture = images(parts(db, db - 0.25 * DYNAMIC_RANGE_DB, db - 2 * DYNAMIC_RANGE_DB))
    assert picture.shape == (1, 3, MEL_BANDS, 4)
    assert [float(np.unique(channel).item()) for channel in picture[0]] == pytest.approx([1.0, 0.75, 0.0])


@pytest.mark.parametrize(
    ("samples", "segments"),
    [
        (0, 1),
        (1, 1),
        (SEGMENT_SAMPLES - 1, 1),
        (SEGMENT_SAMPLES, 1),
        (SEGMENT_SAMPLES + SEGMENT_HOP - 1, 1),
        (SEGMENT_SAMPLES + SEGMENT_HOP, 2),
        (30 * SAMPLE_RATE_HZ, MAX_SEGMENTS),
        (600 * SAMPLE_RATE_HZ, MAX_SEGMENTS),
    ],
)
def test_a_track_of_any_length_becomes_one_to_five_segments(samples: int, segments: int) -> None:
    assert cut_segments(np.zeros(samples, np.float32)).shape == (segments, SEGMENT_SAMPLES)


def test_segments_reach_from_the_first_sample_to_the_last() -> None:
    pcm = np.arange(40 * SAMPLE_RATE_HZ, dtype=np.float32)
    segments = cut_segments(pcm)
    assert segments[0, 0] == 0
    assert segments[-1, -1] == pcm[-1]


def test_a_short_track_is_repeated() -> None:
    segment = cut_segments(np.array([1.0, 2.0, 3.0], np.float32))[0]
    assert segment[:7].tolist() == [1, 2, 3, 1, 2, 3, 1]


def test_a_segment_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a segment has"):
        power_spectrum(np.zeros(1000, np.float32))


def test_levels_are_those_of_the_dense_filters() -> None:
    spectrum = np.random.default_rng(2).random((N_BINS, 7), np.float32) * 100
    power = mel_filters() @ spectrum * (4 / 2048) ** 2
    np.testing.assert_allclose(mel_level_db(spectrum), 10 * np.log10(power), atol=1e-3)


@pytest.mark.parametrize("frames", [LANES, 3 * LANES])
def test_a_power_spectrum_is_that_of_a_library_in_double_precision(frames: int) -> None:
    samples = np.random.default_rng(3).standard_normal((frames - 1) * HOP_LENGTH + FFT_SIZE).astype(np.float32)
    seen = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), FFT_SIZE)[::HOP_LENGTH]
    expected = np.abs(np.fft.rfft(seen * analysis_window())).T ** 2
    power = power_of_frames(samples, analysis_window(), frames)
    np.testing.assert_allclose(power, expected, rtol=1e-4, atol=1e-6 * expected.max())


@pytest.mark.parametrize("bin_", [0, 1, 511, 512, 513, 1023, 1024])
def test_a_tone_on_a_bin_sounds_there_and_nowhere_else(bin_: int) -> None:
    samples = np.cos(2 * np.pi * bin_ / FFT_SIZE * np.arange((LANES - 1) * HOP_LENGTH + FFT_SIZE)).astype(np.float32)
    power = power_of_frames(samples, np.ones(FFT_SIZE, np.float32), LANES)
    heard = FFT_SIZE if bin_ in (0, FFT_SIZE // 2) else FFT_SIZE // 2
    np.testing.assert_allclose(power[bin_], heard**2, rtol=1e-4)
    assert np.delete(power, bin_, axis=0).max() < 1e-6 * heard**2


@pytest.mark.parametrize(("samples", "frames"), [(100_000, LANES + 1), (FFT_SIZE, LANES)])
def test_frames_that_do_not_fill_registers_or_are_not_there_are_refused(samples: int, frames: int) -> None:
    with pytest.raises(ValueError, match=f"{samples} samples are not {frames} frames"):
        power_of_frames(np.zeros(samples, np.float32), analysis_window(), frames)
