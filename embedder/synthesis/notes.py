"""One note of a voice."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.synthesis.voices import N_HARMONICS, Voice

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 22_050
_TABLE = 2048
_NYQUIST_HZ = 0.48 * SAMPLE_RATE_HZ


def render_note(voice: Voice, frequency_hz: float, held_s: float) -> Samples:
    """Return one note with its release, shape (samples,), peak about 1.

    Args:
        voice: the instrument.
        frequency_hz: fundamental.
        held_s: from the attack to the release.
    """
    count = int((held_s + 3 * voice.release_s) * SAMPLE_RATE_HZ)
    t: Samples = (np.arange(count) / SAMPLE_RATE_HZ).astype(np.float32)
    tone: NDArray[np.floating[Any]] = _ENGINES[voice.engine](voice, frequency_hz, t)
    if voice.breath:
        rng = np.random.default_rng(int(frequency_hz * 100))
        tone = tone + voice.breath * rng.standard_normal(t.size, dtype=np.float32)
    if voice.drive:
        tone = np.tanh(tone * voice.drive) / math.tanh(voice.drive)
    shaped: Samples = (tone * _envelope(voice, t, held_s)).astype(np.float32)
    return shaped


def _envelope(voice: Voice, t: Samples, held_s: float) -> Samples:
    level = voice.sustain + (1 - voice.sustain) * np.exp(-t / voice.decay_s)
    level *= np.minimum(1.0, t / voice.attack_s)
    released = t > held_s
    level[released] *= np.exp(-(t[released] - held_s) / voice.release_s)
    tail = min(t.size, 64)  # no click where the note ends
    level[t.size - tail :] *= np.linspace(1, 0, tail)
    shaped: Samples = level.astype(np.float32)
    return shaped


def _phase(voice: Voice, frequency_hz: float, t: Samples) -> NDArray[np.float64]:
    """Cycles since the attack, vibrato included (the integral of the frequency)."""
    cycles = frequency_hz * t.astype(np.float64)
    if voice.vibrato:
        swing = voice.vibrato * frequency_hz / (2 * math.pi * voice.vibrato_hz)
        cycles += swing * (1 - np.cos(2 * math.pi * voice.vibrato_hz * t))
    return cycles


def _harmonic(voice: Voice, frequency_hz: float, t: Samples) -> Samples:
    number = np.arange(1, N_HARMONICS + 1)
    amplitudes = np.array(voice.harmonics) * (number * frequency_hz < _NYQUIST_HZ)
    bright, dull = _wavetable(amplitudes), _wavetable(amplitudes / number**1.2)
    cycles = _phase(voice, frequency_hz, t)
    brightness = np.exp(-t / voice.dulling_s)
    tone = _read(bright, dull, brightness, cycles)
    if voice.detune:
        tone = 0.6 * (tone + _read(bright, dull, brightness, cycles * (1 + voice.detune) + 0.37))
    return tone


def _wavetable(amplitudes: NDArray[np.float64]) -> Samples:
    spectrum = np.zeros(_TABLE // 2 + 1, np.complex128)
    number = np.arange(1, amplitudes.size + 1)
    # Quadratic phases (Schroeder 1970) keep the crest of the wave low without a random draw.
    spectrum[1 : amplitudes.size + 1] = amplitudes * np.exp(-1j * math.pi * number**2 / amplitudes.size)
    wave = np.fft.irfft(spectrum)
    peak = np.abs(wave).max()
    table: Samples = (wave / peak if peak > 0 else wave).astype(np.float32)
    return table


def _read(bright: Samples, dull: Samples, brightness: Samples, cycles: NDArray[np.float64]) -> Samples:
    index = (cycles * _TABLE).astype(np.int64) & (_TABLE - 1)
    low = dull[index]
    mixed: Samples = low + (bright[index] - low) * brightness
    return mixed


def _modulated(voice: Voice, frequency_hz: float, t: Samples) -> Samples:
    """Chowning 1973: sin(2πft + I(t) sin(2πrft))."""
    cycles = _phase(voice, frequency_hz, t)
    # Keep the widest sideband below Nyquist: bandwidth is about (I + 1) modulator frequencies.
    room = max(0.0, (_NYQUIST_HZ / frequency_hz - 1) / voice.ratio - 1)
    depth = min(voice.depth, room) * (0.15 + 0.85 * np.exp(-t / voice.dulling_s))
    carrier = (2 * math.pi * (cycles % 1.0)).astype(np.float32)
    modulator = (2 * math.pi * (cycles * voice.ratio % 1.0)).astype(np.float32)
    tone: Samples = np.sin(carrier + depth * np.sin(modulator))
    return tone


def _string(voice: Voice, frequency_hz: float, t: Samples) -> Samples:
    """Karplus and Strong 1983, in the frequency domain: period j of the loop is the pluck filtered j times."""
    period = max(8, round(SAMPLE_RATE_HZ / frequency_hz))
    periods = t.size // period + 2
    partial = np.arange(period // 2 + 1)
    rng = np.random.default_rng(int(frequency_hz * 100))
    # The pluck keeps the balance of the voice's harmonics and falls on smoothly where the list ends.
    listed = np.array(voice.harmonics)
    amplitudes = np.interp(partial, np.arange(1, N_HARMONICS + 1), listed)
    pluck = np.exp(2j * math.pi * rng.random(partial.size)) * amplitudes
    pluck[0] = 0.0
    cycle_s = period / SAMPLE_RATE_HZ
    loss = np.log(np.maximum(np.cos(math.pi * partial / period), 1e-3)) * min(1.0, 260.0 / frequency_hz)
    log_gain = loss - cycle_s / voice.decay_s
    blocks = np.fft.irfft(pluck * np.exp(np.arange(periods)[:, None] * log_gain), n=period, axis=1)
    wave = blocks.ravel()
    wave /= np.abs(wave[:period]).max() + 1e-9
    # The loop is a whole number of samples long; reading it at another pace tunes it.
    at = t * (period * frequency_hz)
    tuned: Samples = np.interp(at, np.arange(wave.size), wave).astype(np.float32)
    return tuned


def _partials(voice: Voice, frequency_hz: float, t: Samples) -> Samples:
    tone = np.zeros_like(t)
    for k in range(6):
        partial_hz = frequency_hz * (1 + k * (voice.ratio - 1) * (1 + 0.13 * k))
        if partial_hz < _NYQUIST_HZ:
            angle = (2 * math.pi * (partial_hz * t.astype(np.float64) % 1.0)).astype(np.float32)
            tone += voice.harmonics[k] * np.sin(angle) * np.exp(-t * (k / voice.decay_s))
    return tone


_ENGINES = {"harmonic": _harmonic, "modulated": _modulated, "string": _string, "partials": _partials}
