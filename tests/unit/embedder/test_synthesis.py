"""Synthesised music."""

import numpy as np
import pytest

from embedder.synthesis import FAMILY_NAMES, SAMPLE_RATE_HZ, STYLE_FAMILIES, Style, synthesise
from embedder.synthesis.drums import PATTERNS, DrumKit
from embedder.synthesis.families import SCALES
from embedder.synthesis.notes import render_note
from embedder.synthesis.voices import VOICE_KINDS, draw_voice
from musicrec.errors import BadInput


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_makes_audible_finite_mono_of_the_length_asked(family: str) -> None:
    pcm = synthesise(Style.sample(11, family), seed=2, seconds=4.0)
    assert pcm.dtype == np.float32
    assert pcm.shape == (4 * SAMPLE_RATE_HZ,)
    assert np.abs(pcm).max() <= 1.0
    assert 0.02 < np.sqrt(np.mean(np.square(pcm))) < 0.5


def test_the_same_seeds_give_the_same_samples() -> None:
    first, second = (synthesise(Style.sample(5), seed=1, seconds=3.0) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_seed_is_another_track_and_another_style_another_sound() -> None:
    style = Style.sample(5)
    assert not np.array_equal(synthesise(style, 1, 3.0), synthesise(style, 2, 3.0))
    assert Style.sample(6) != style


def test_a_style_without_a_family_belongs_to_one() -> None:
    assert {Style.sample(seed).family for seed in range(200)} == set(FAMILY_NAMES)


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'polka'.*ambient"):
        Style.sample(1, "polka")


@pytest.mark.parametrize("seconds", [0.0, -1.0, 601.0, float("nan")])
def test_a_length_out_of_range_is_refused(seconds: float) -> None:
    with pytest.raises(BadInput, match="seconds"):
        synthesise(Style.sample(1), 1, seconds)


@pytest.mark.parametrize("kind", sorted(VOICE_KINDS))
@pytest.mark.parametrize("hz", [41.2, 440.0, 2093.0])
def test_every_voice_sounds_at_every_pitch_and_ends_without_a_click(kind: str, hz: float) -> None:
    sound = render_note(draw_voice(kind, np.random.default_rng(3)), hz, held_s=0.4)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 0.05
    assert abs(sound[-1]) < 1e-3


def test_a_voice_plays_the_pitch_it_is_asked_for() -> None:
    for kind in ("organ", "piano", "square", "sub"):
        sound = render_note(draw_voice(kind, np.random.default_rng(3)), 220.0, held_s=1.0)
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
        hz = np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE_HZ)
        near = (hz > 195) & (hz < 247)
        assert hz[near][spectrum[near].argmax()] == pytest.approx(220.0, rel=0.01)


def test_families_name_only_what_exists() -> None:
    letters = set(DrumKit.draw(np.random.default_rng(1)).hits()) | {"."}
    for family in STYLE_FAMILIES:
        assert set(family.chords + family.bass + family.lead + family.arpeggio) <= set(VOICE_KINDS)
        assert set(family.scales) <= set(SCALES)
        for name in family.patterns:
            for bar in PATTERNS[name]:
                assert len(bar) == 16
                assert set(bar) <= letters
