"""Notes, tempo, descriptors."""

import numpy as np
import pytest

from embedder.features.analysis import analyse
from embedder.features.descriptors import N_DESCRIPTORS
from embedder.features.geometry import SAMPLE_RATE_HZ
from embedder.features.levels import levels
from embedder.features.notes import PITCH_MIN_MIDI, pitch_salience
from embedder.features.spectrogram import cut_segments
from musicrec.errors import BadInput

SECONDS = 14


def note(midi: int) -> np.ndarray:
    t = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    hz = 440 * 2 ** ((midi - 69) / 12)
    return sum(0.1 / k * np.sin(2 * np.pi * k * hz * t) for k in range(1, 6)).astype(np.float32)


def clicks(bpm: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    pcm = np.zeros(SECONDS * SAMPLE_RATE_HZ, np.float32)
    for start_s in np.arange(0, SECONDS - 0.1, 60 / bpm):
        start = int(start_s * SAMPLE_RATE_HZ)
        pcm[start : start + 500] += 0.3 * rng.standard_normal(500) * np.exp(-np.arange(500) / 90)
    return pcm


@pytest.mark.parametrize("midi", [40, 48, 57, 64, 69, 76, 81])
def test_the_most_salient_pitch_of_a_note_is_the_note(midi: int) -> None:
    salience = pitch_salience(levels(cut_segments(note(midi))).partials)
    assert int(salience.mean(axis=(0, 2)).argmax()) + PITCH_MIN_MIDI == midi


def test_the_key_profile_of_a_c_major_chord_is_led_by_c_e_and_g() -> None:
    profile = analyse(note(48) + note(64) + note(67)).key_profile
    assert set(np.argsort(-profile)[:3].tolist()) == {0, 4, 7}
    assert float(profile.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("bpm", [72, 90, 120, 150])
def test_the_tempo_of_a_metronome_is_found_within_three_percent(bpm: float) -> None:
    assert analyse(clicks(bpm)).tempo_bpm == pytest.approx(bpm, rel=0.03)


def test_a_held_note_has_no_tempo() -> None:
    assert analyse(note(60)).tempo_bpm is None


@pytest.mark.parametrize("samples", [0, 1, 100, 3 * SAMPLE_RATE_HZ])
def test_silence_of_any_length_has_a_defined_result(samples: int) -> None:
    features = analyse(np.zeros(samples, np.float32))
    assert features.silent
    assert features.tempo_bpm is None
    assert features.key_profile.tolist() == pytest.approx([1 / 12] * 12)
    assert features.descriptors.shape == (N_DESCRIPTORS,)
    assert np.isfinite(features.descriptors).all()


@pytest.mark.parametrize("pcm", [np.ones(1), np.ones(40_000), np.full(300_000, -1.0), np.tile([1.0, -1.0], 80_000)])
def test_strange_but_audible_samples_give_finite_features(pcm: np.ndarray) -> None:
    features = analyse(pcm.astype(np.float32))
    assert np.isfinite(features.images).all()
    assert np.isfinite(features.descriptors).all()
    assert float(features.key_profile.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_samples_that_are_no_sound_are_refused(bad: float) -> None:
    pcm = np.zeros(100, np.float32)
    pcm[50] = bad
    with pytest.raises(BadInput, match="full scale is 1"):
        analyse(pcm)


def test_stereo_is_refused_with_its_shape() -> None:
    with pytest.raises(BadInput, match=r"\(10, 2\)"):
        analyse(np.zeros((10, 2), np.float32))
