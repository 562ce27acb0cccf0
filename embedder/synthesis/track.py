"""One track of a style: a key, a tempo, four chords, and who plays what."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedder.synthesis.families import SCALES
from embedder.synthesis.notes import SAMPLE_RATE_HZ, Samples, render_note
from embedder.synthesis.style import ROLES, Style
from embedder.synthesis.voices import VOICE_KINDS, Voice
from musicrec.errors import BadInput

STEPS_PER_BAR = 16
_LONGEST_NOTE_S = 3.0
_BASS_STEPS = ((0, 8), (0, 4, 8, 12), (0, 3, 6, 8, 11, 14), (0, 6, 8, 10), tuple(range(0, 16, 2)), (0,))
_CHORD_STEPS = ((0,), (0, 8), (4, 12), (2, 6, 10, 14), (0, 3, 6, 10), (0, 6, 12))


INSTRUMENTS = (*VOICE_KINDS, "drums")
"""Whatever may be heard in a track."""


@dataclass(frozen=True, slots=True)
class Performance:
    """A track, and what is true of it."""

    pcm: Samples
    """Mono at 22,050 Hz within ±1."""
    bpm: float
    tonic: int
    """Pitch class from C."""
    instruments: frozenset[str]
    """Some of INSTRUMENTS."""


@dataclass(slots=True)
class _Score:
    """The plan of one track, and the buffer it is played into."""

    style: Style
    rng: np.random.Generator
    step_s: float
    scale: tuple[float, ...]
    tonic: int
    progression: tuple[int, ...]
    bars: int
    mix: Samples
    notes: dict[tuple[int, int, int], Samples] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)

    def start_s(self, bar: int, step: int) -> float:
        late = self.style.swing if step % 2 else 0.0
        return (bar * STEPS_PER_BAR + step + late) * self.step_s

    def pitch(self, degree: int, lowest: int) -> float:
        """Return the MIDI pitch of a degree of the scale, in the octave from `lowest` for degrees 0 to n - 1."""
        octave, index = divmod(degree, len(self.scale))
        base = lowest + (self.tonic - lowest) % 12
        return base + 12 * octave + self.scale[index]

    def play(self, voice: Voice, pitch: float, start_s: float, held_s: float, gain: float) -> None:
        self.heard.add(voice.kind)
        held_s = min(held_s, _LONGEST_NOTE_S)
        key = (id(voice), round(10 * pitch), round(20 * held_s))
        if key not in self.notes:
            self.notes[key] = render_note(voice, 440.0 * 2 ** ((pitch - 69) / 12), max(0.05, key[2] / 20))
        self.add(self.notes[key], start_s, gain)

    def add(self, sound: Samples, start_s: float, gain: float) -> None:
        first = int(start_s * SAMPLE_RATE_HZ)
        room = self.mix.size - first
        if room > 0:
            self.mix[first : first + sound.size] += np.float32(gain) * sound[:room]


def synthesise(style: Style, seed: int, seconds: float) -> NDArray[np.float32]:
    """Return one track of a style: the samples of `perform`."""
    return perform(style, seed, seconds).pcm


def perform(style: Style, seed: int, seconds: float) -> Performance:
    """Play one track of a style.

    Args:
        style: what it shares with the style's other tracks.
        seed: which track.
        seconds: length, more than 0 and at most 600.

    Returns:
        Samples of shape (round(22050 · seconds),), and what is true of them.

    Raises:
        BadInput: `seconds` is out of range.
    """
    if not 0 < seconds <= 600:
        raise BadInput(f"seconds {seconds}: a synthesised track lasts more than 0 and at most 600 s")
    rng = np.random.default_rng([style.seed, seed, 0x7AC4])
    mood = _MOODS[int(rng.choice(len(_MOODS), p=[mood.share for mood in _MOODS]))]
    score = _plan(style, rng, seconds, mood)
    for role, level, lowest in zip(ROLES, style.levels, style.registers, strict=True):
        voices = style.voices_of(role)
        if voices and rng.random() < _PRESENCE[role] * mood.presence:
            voice = voices[int(rng.integers(len(voices)))]
            _PLAYERS[role](score, voice, lowest, level * 10 ** rng.uniform(-0.2, 0.1), _bars_played(score))
    if style.kit is not None and rng.random() < mood.drums:
        score.heard.add("drums")
        _play_drums(score, style.drum_level * 10 ** rng.uniform(-0.25, 0.1), _bars_played(score))
    if not score.mix.any():
        voice = next(voice for _, voices in style.voices for voice in voices)
        _play_chords(score, voice, 52, 0.5, range(score.bars))
    pcm = style.mastering.vary(rng).apply(score.mix, rng)
    return Performance(pcm, 60 / (4 * score.step_s), score.tonic, frozenset(score.heard))


@dataclass(frozen=True, slots=True)
class _Mood:
    """A soundtrack has calm and intense tracks: what they share is not their energy."""

    share: float
    tempo: float
    presence: float
    drums: float
    """Chance of drums where the style has a kit."""


_MOODS = (_Mood(0.6, 1.0, 1.0, 0.95), _Mood(0.25, 0.75, 0.7, 0.1), _Mood(0.15, 1.2, 1.25, 1.0))

_PRESENCE = {"chords": 0.8, "bass": 0.85, "lead": 0.75, "arpeggio": 0.5}
"""Chance that a role is played in a track at all."""


def _plan(style: Style, rng: np.random.Generator, seconds: float, mood: _Mood) -> _Score:
    bpm = mood.tempo * style.bpm * 2 ** rng.normal(0, 0.12)
    step_s = 60 / bpm / 4
    scale = SCALES[style.scales[int(rng.integers(len(style.scales)))]]
    progression = (0, *(int(d) for d in rng.choice(len(scale), 3)))
    bars = int(seconds / (step_s * STEPS_PER_BAR)) + 1
    mix = np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)
    return _Score(style, rng, step_s, scale, int(rng.integers(12)), progression, bars, mix)


def _bars_played(score: _Score) -> range:
    """A part may enter late or leave early, in units of two bars."""
    entry = 2 * int(score.rng.integers(0, max(1, score.bars // 4))) if score.rng.random() < 0.35 else 0
    leave = 2 * int(score.rng.integers(0, max(1, score.bars // 4))) if score.rng.random() < 0.2 else 0
    return range(entry, max(entry + 1, score.bars - leave))


def _degree(score: _Score, bar: int) -> int:
    return score.progression[bar % len(score.progression)]


def _play_chords(score: _Score, voice: Voice, lowest: int, gain: float, bars: range) -> None:
    steps = _CHORD_STEPS[int(score.rng.integers(len(_CHORD_STEPS)))]
    shape = (0, 4, 7) if score.style.power_chords else ((0, 2, 4) if score.rng.random() < 0.7 else (0, 2, 4, 6))
    room_s = score.step_s * STEPS_PER_BAR / len(steps)
    for bar in bars:
        for step in steps:
            for third in shape:
                pitch = score.pitch(_degree(score, bar) + third, lowest)
                score.play(voice, pitch, score.start_s(bar, step), room_s * score.style.held, gain / len(shape))


def _play_bass(score: _Score, voice: Voice, lowest: int, gain: float, bars: range) -> None:
    steps = _BASS_STEPS[int(score.rng.integers(len(_BASS_STEPS)))]
    offsets = score.rng.choice([0, 0, 0, 4, 7, -1], len(steps))
    room_s = score.step_s * STEPS_PER_BAR / len(steps)
    for bar in bars:
        for step, offset in zip(steps, offsets, strict=True):
            pitch = score.pitch(_degree(score, bar) + int(offset), lowest)
            score.play(voice, pitch, score.start_s(bar, step), room_s * min(1.0, score.style.held), gain)


def _play_lead(score: _Score, voice: Voice, lowest: int, gain: float, bars: range) -> None:
    rng = score.rng
    grid = 2 if rng.random() < 0.7 else 4
    motif = [step for step in range(0, 2 * STEPS_PER_BAR, grid) if rng.random() < score.style.busy] or [0]
    moves = rng.choice([-2, -1, -1, 0, 1, 1, 2, 3], len(motif))
    rooms = np.diff([*motif, 2 * STEPS_PER_BAR]) * score.step_s
    for bar in bars[::2]:
        degree = _degree(score, bar)
        for step, move, room_s in zip(motif, moves, rooms, strict=True):
            degree = int(np.clip(degree + move, -3, 10))
            loud = gain * (1.0 if step % 4 == 0 else 0.8)
            score.play(voice, score.pitch(degree, lowest), score.start_s(bar, step), room_s * score.style.held, loud)


def _play_arpeggio(score: _Score, voice: Voice, lowest: int, gain: float, bars: range) -> None:
    grid = int(score.rng.choice([1, 2, 2, 4]))
    shape = score.rng.permutation([0, 2, 4, 7, 4, 2])
    held_s = score.step_s * grid * score.style.held
    for bar in bars:
        for i, step in enumerate(range(0, STEPS_PER_BAR, grid)):
            pitch = score.pitch(_degree(score, bar) + int(shape[i % len(shape)]), lowest)
            score.play(voice, pitch, score.start_s(bar, step), held_s, 0.7 * gain)


def _play_drums(score: _Score, gain: float, bars: range) -> None:
    assert score.style.kit is not None
    hits = score.style.kit.hits()
    pattern = score.style.patterns[int(score.rng.integers(len(score.style.patterns)))]
    fill = score.style.patterns[int(score.rng.integers(len(score.style.patterns)))]
    for bar in bars:
        for step, letter in enumerate(fill if bar % 4 == 3 else pattern):
            if letter != ".":
                score.add(hits[letter], score.start_s(bar, step), gain * score.rng.uniform(0.75, 1.0))


_PLAYERS = {"chords": _play_chords, "bass": _play_bass, "lead": _play_lead, "arpeggio": _play_arpeggio}
