"""Instruments: how a voice is drawn from the ranges of its kind."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Engine = Literal["harmonic", "modulated", "string", "partials"]
"""Wavetable with a falling brightness, frequency modulation, plucked string, inharmonic decaying partials."""

N_HARMONICS = 40
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Voice:
    """One instrument of a style."""

    kind: str
    """Its name among VOICE_KINDS."""
    engine: Engine
    harmonics: tuple[float, ...]
    """Amplitude of each harmonic from the fundamental."""
    attack_s: float
    decay_s: float
    """Time constant of the fall to `sustain`."""
    sustain: float
    """0 for struck and plucked instruments."""
    release_s: float
    dulling_s: float
    """Time constant of the loss of upper harmonics."""
    vibrato_hz: float
    vibrato: float
    """Relative deviation of the frequency."""
    detune: float
    """Relative distance of a second oscillator; 0 has one."""
    breath: float
    """Noise beside the tone."""
    drive: float
    """Gain into the soft clipper; 0 is clean."""
    ratio: float
    """Modulator to carrier."""
    depth: float
    """Modulation index at the attack."""


@dataclass(frozen=True, slots=True)
class VoiceKind:
    """Ranges from which the voices of one kind are drawn."""

    engine: Engine
    slope: Range = (1.0, 1.6)
    """Exponent of the fall of the harmonics."""
    even: Range = (1.0, 1.0)
    """Gain of the even harmonics: 0 is hollow."""
    formant_hz: Range | None = None
    attack_s: Range = (0.004, 0.012)
    decay_s: Range = (0.4, 1.2)
    sustain: Range = (0.0, 0.0)
    release_s: Range = (0.05, 0.15)
    dulling_s: Range = (0.3, 2.0)
    vibrato_hz: Range = (4.5, 6.5)
    vibrato: Range = (0.0, 0.0)
    detune: Range = (0.0, 0.0)
    breath: Range = (0.0, 0.0)
    drive: Range = (0.0, 0.0)
    ratio: Range = (1.0, 1.0)
    depth: Range = (0.0, 0.0)


_HELD: Range = (0.6, 1.0)

VOICE_KINDS: dict[str, VoiceKind] = {
    "strings": VoiceKind(
        "harmonic", (0.9, 1.5), (0.7, 1.0), (400, 1500), (0.06, 0.3), (0.5, 2), _HELD, (0.15, 0.5), (3, 9),
        vibrato=(0.002, 0.006), detune=(0.002, 0.006), breath=(0.0, 0.02),
    ),
    "brass": VoiceKind(
        "harmonic", (0.6, 1.1), (0.9, 1.0), (500, 1400), (0.03, 0.09), (0.3, 1), _HELD, (0.06, 0.2), (2, 8),
        vibrato=(0.0, 0.003), drive=(0.0, 1.5),
    ),
    "flute": VoiceKind(
        "harmonic", (2.0, 3.2), (0.5, 1.0), None, (0.04, 0.1), (0.5, 2), _HELD, (0.08, 0.2), (3, 9),
        vibrato=(0.003, 0.009), breath=(0.03, 0.15),
    ),
    "reed": VoiceKind(
        "harmonic", (0.8, 1.4), (0.05, 0.5), (700, 1800), (0.02, 0.06), (0.5, 2), _HELD, (0.05, 0.15), (3, 9),
        vibrato=(0.0, 0.006), breath=(0.0, 0.04),
    ),
    "choir": VoiceKind(
        "harmonic", (1.0, 1.8), (0.8, 1.0), (450, 1100), (0.1, 0.4), (1, 3), _HELD, (0.2, 0.7), (4, 9),
        vibrato=(0.003, 0.01), detune=(0.004, 0.01), breath=(0.01, 0.06),
    ),
    "organ": VoiceKind(
        "harmonic", (0.4, 1.3), (0.3, 1.0), None, (0.005, 0.03), (1, 3), (0.9, 1.0), (0.03, 0.1), (9, 9.1),
        vibrato=(0.0, 0.004), detune=(0.0, 0.003),
    ),
    "pad": VoiceKind(
        "harmonic", (1.0, 2.2), (0.4, 1.0), None, (0.2, 0.9), (1, 4), _HELD, (0.4, 1.2), (0.8, 5),
        vibrato=(0.0, 0.004), detune=(0.003, 0.012), breath=(0.0, 0.05),
    ),
    "saw": VoiceKind(
        "harmonic", (0.9, 1.1), (0.9, 1.0), None, (0.003, 0.02), (0.2, 0.8), (0.2, 0.8), (0.03, 0.15), (0.1, 0.8),
        detune=(0.003, 0.012), drive=(0.0, 2.0),
    ),
    "square": VoiceKind(
        "harmonic", (0.9, 1.1), (0.0, 0.15), None, (0.002, 0.01), (0.15, 0.6), (0.3, 0.9), (0.02, 0.08), (0.3, 3),
        vibrato=(0.0, 0.008),
    ),
    "pulse": VoiceKind(
        "harmonic", (0.3, 0.7), (0.4, 1.0), None, (0.002, 0.006), (0.1, 0.5), (0.2, 0.9), (0.01, 0.05), (2, 9),
        vibrato=(0.0, 0.01),
    ),
    "electric guitar": VoiceKind(
        "harmonic", (0.8, 1.2), (0.8, 1.0), (600, 1600), (0.003, 0.01), (1.0, 3.0), (0.3, 0.7), (0.05, 0.15), (0.5, 3),
        vibrato=(0.0, 0.004), drive=(4.0, 20.0),
    ),
    "piano": VoiceKind("string", (0.6, 1.4), attack_s=(0.001, 0.004), decay_s=(1.2, 3.0), release_s=(0.1, 0.3)),
    "guitar": VoiceKind("string", (0.1, 0.7), attack_s=(0.001, 0.003), decay_s=(0.5, 1.6), release_s=(0.06, 0.2)),
    "harp": VoiceKind("string", (0.8, 1.6), attack_s=(0.001, 0.003), decay_s=(0.8, 2.0), release_s=(0.3, 0.8)),
    "sitar": VoiceKind(
        "string", (0.0, 0.3), attack_s=(0.001, 0.003), decay_s=(0.8, 2.5), release_s=(0.2, 0.5), drive=(1.0, 3.0)
    ),
    "bass guitar": VoiceKind(
        "string", (0.6, 1.2), attack_s=(0.002, 0.006), decay_s=(0.5, 1.4), release_s=(0.04, 0.1), drive=(0.0, 1.5)
    ),
    "electric piano": VoiceKind(
        "modulated", attack_s=(0.002, 0.006), decay_s=(0.8, 2.0), dulling_s=(0.15, 0.6), ratio=(1, 1), depth=(0.6, 2.2)
    ),
    "bell": VoiceKind(
        "modulated", attack_s=(0.001, 0.003), decay_s=(1.0, 3.0), dulling_s=(0.4, 1.5), ratio=(1.3, 3.7), depth=(1, 4),
        release_s=(0.5, 1.0),
    ),
    "digital bass": VoiceKind(
        "modulated", attack_s=(0.002, 0.006), decay_s=(0.2, 0.6), sustain=(0.2, 0.6), dulling_s=(0.05, 0.3),
        ratio=(1, 2), depth=(1.5, 5), drive=(0.0, 3.0),
    ),
    "wobble": VoiceKind(
        "modulated", attack_s=(0.004, 0.02), decay_s=(0.5, 1.0), sustain=(0.5, 0.9), dulling_s=(0.5, 2),
        vibrato_hz=(2, 8), vibrato=(0.005, 0.03), ratio=(0.5, 2), depth=(3, 8), drive=(1.0, 5.0),
    ),
    "sub": VoiceKind(
        "harmonic", (2.5, 4.0), attack_s=(0.004, 0.02), decay_s=(0.5, 1.5), sustain=(0.5, 0.9), dulling_s=(0.2, 2),
        drive=(0.0, 2.0),
    ),
    "mallet": VoiceKind("partials", (1.0, 2.0), attack_s=(0.001, 0.003), decay_s=(0.15, 0.5), ratio=(3.6, 4.2)),
    "gong": VoiceKind(
        "partials", (0.2, 0.9), attack_s=(0.002, 0.02), decay_s=(1.0, 3.0), ratio=(1.2, 2.9), release_s=(0.5, 1.2)
    ),
}  # fmt: skip
"""Every instrument that a style can hold."""


def draw_voice(name: str, rng: np.random.Generator) -> Voice:
    """Draw one instrument: two voices of one kind sound as different as two recordings of one kind of instrument."""
    kind = VOICE_KINDS[name]

    def draw(bounds: Range) -> float:
        return float(rng.uniform(*bounds))

    number = np.arange(1, N_HARMONICS + 1)
    harmonics = number ** -draw(kind.slope)
    harmonics[1::2] *= draw(kind.even)
    if kind.formant_hz is not None:
        # The formant of a body stays where it is; relative to a middle pitch is near enough for one register.
        peak = draw(kind.formant_hz) / 262.0
        harmonics = harmonics * (0.3 + np.exp(-0.5 * (np.log2(number / peak) / 0.7) ** 2) * 2)
    harmonics = harmonics * rng.uniform(0.5, 1.5, N_HARMONICS)
    return Voice(
        kind=name,
        engine=kind.engine,
        harmonics=tuple(float(a) for a in harmonics / np.sqrt(np.square(harmonics).sum())),
        attack_s=draw(kind.attack_s),
        decay_s=draw(kind.decay_s),
        sustain=draw(kind.sustain),
        release_s=draw(kind.release_s),
        dulling_s=draw(kind.dulling_s),
        vibrato_hz=draw(kind.vibrato_hz),
        vibrato=draw(kind.vibrato),
        detune=draw(kind.detune),
        breath=draw(kind.breath),
        drive=draw(kind.drive),
        ratio=draw(kind.ratio),
        depth=draw(kind.depth),
    )
