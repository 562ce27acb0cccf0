"""A drum kit, and the patterns it plays."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.synthesis.notes import SAMPLE_RATE_HZ, Samples


@dataclass(frozen=True, slots=True)
class DrumKit:
    """What makes one kit sound different from another."""

    kick_hz: float
    kick_s: float
    kick_click: float
    snare_hz: float
    snare_s: float
    snare_noise: float
    hat_s: float
    hat_dark: float
    """0 is bright noise; towards 1 it loses its upper octave."""
    tom_hz: float
    tom_s: float
    tom_bend: float
    ring: float
    """Metallic tone in the hats."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "DrumKit":
        """Draw a kit, from tight and electronic to large and open."""
        return cls(
            kick_hz=rng.uniform(38, 75),
            kick_s=rng.uniform(0.06, 0.35),
            kick_click=rng.uniform(0, 0.8),
            snare_hz=rng.uniform(140, 280),
            snare_s=rng.uniform(0.04, 0.25),
            snare_noise=rng.uniform(0.3, 1.5),
            hat_s=rng.uniform(0.01, 0.09),
            hat_dark=rng.uniform(0, 0.8),
            tom_hz=rng.uniform(70, 260),
            tom_s=rng.uniform(0.08, 0.4),
            tom_bend=rng.uniform(0, 0.6),
            ring=rng.uniform(0, 0.7),
        )

    def hits(self) -> dict[str, Samples]:
        """Return one recording of each drum by its letter in a pattern."""
        rng = np.random.default_rng(int(self.kick_hz * 1e6))
        return {
            "k": _drop(self.kick_hz, 3.5, self.kick_s, self.kick_click, rng),
            "s": _snare(self, rng),
            "c": _clap(self.snare_s, rng),
            "h": 0.5 * _hat(self, self.hat_s, rng),
            "o": 0.5 * _hat(self, 6 * self.hat_s, rng),
            "x": 0.6 * _hat(self, 0.7, rng),
            "t": 0.8 * _drop(self.tom_hz, 1 + self.tom_bend, self.tom_s, 0.1, rng),
            "u": 0.7 * _drop(1.5 * self.tom_hz, 1 + self.tom_bend, 0.7 * self.tom_s, 0.1, rng),
            "r": 0.35 * _hat(self, 0.03, rng),
        }


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def _drop(low_hz: float, bend: float, decay_s: float, click: float, rng: np.random.Generator) -> Samples:
    """A tone that falls to `low_hz` from `bend` times as high."""
    t = _time(5 * decay_s)
    fall_s = 0.03
    cycles = low_hz * (t + (bend - 1) * fall_s * (1 - np.exp(-t / fall_s)))
    tone = np.sin(2 * math.pi * cycles) * np.exp(-t / decay_s)
    tone += click * rng.standard_normal(t.size) * np.exp(-t / 0.003)
    return tone.astype(np.float32)


def _snare(kit: DrumKit, rng: np.random.Generator) -> Samples:
    t = _time(5 * kit.snare_s)
    body = np.sin(2 * math.pi * kit.snare_hz * t) + 0.5 * np.sin(2 * math.pi * 1.59 * kit.snare_hz * t)
    noise = kit.snare_noise * rng.standard_normal(t.size) * np.exp(-t / kit.snare_s)
    return (0.5 * body * np.exp(-t / (0.6 * kit.snare_s)) + 0.5 * noise).astype(np.float32)


def _clap(decay_s: float, rng: np.random.Generator) -> Samples:
    t = _time(0.05 + 5 * decay_s)
    bursts = sum(np.exp(-np.maximum(t - start, 0) / 0.006) * (t >= start) for start in (0.0, 0.011, 0.023))
    tail = np.exp(-np.maximum(t - 0.03, 0) / decay_s) * (t >= 0.03)
    return (0.5 * rng.standard_normal(t.size) * (0.5 * bursts + tail)).astype(np.float32)


def _hat(kit: DrumKit, decay_s: float, rng: np.random.Generator) -> Samples:
    t = _time(5 * decay_s)
    noise = np.diff(rng.standard_normal(t.size + 2), n=2) * 0.4
    noise[1:] += kit.hat_dark * noise[:-1]
    metal = sum(np.sign(np.sin(2 * math.pi * hz * t)) for hz in (3210.0, 4137.0, 5521.0, 6893.0))
    return ((noise + 0.3 * kit.ring * metal) * np.exp(-t / decay_s)).astype(np.float32)


PATTERNS: dict[str, tuple[str, ...]] = {
    "four": ("k..hk..hk..hk..h", "k.hok.hok.hok.ho", "k..hs..hk..hs.hh"),
    "backbeat": ("k.h.s.h.k.k.s.h.", "k.h.s.hkk.h.s.h.", "k.hhs.h.h.k.s.ho"),
    "break": ("k.h.s..hs.k.s.h.", "k.k.s..s.sk.s.h.", "k.h.s.hs.hk.s.hs"),
    "half": ("k...h...s...h.k.", "k..kh...s...h...", "k.h.h.h.s.h.h.k."),
    "swing": ("o..h..h.o..h..h.", "o..hs.h.o..h..hs", "k..o..h.s..o..h."),
    "march": ("k...s.s.k...s.ss", "k.s.s.s.k.ssssss", "k.......s......."),
    "blast": ("kskskskskskskxks", "k.kks.kkk.kks.kk", "kkskkkskkkskkksk"),
    "skank": ("..h.s.h...h.s.h.", "h.h.k.sh..h.k.h.", "....k..s....k.h."),
    "hands": ("t..ut.u.t..utu.u", "t.uut..ut.u.tuu.", "tr.ru.rrt.rru.ru"),
    "timpani": ("t...............", "t.......t.u.....", "t.......t.t.t.uu"),
    "shaker": ("r.rrr.rrr.rrr.rr", "r.r.r.r.r.r.r.r.", "..r...r...r...r."),
    "loop": ("k.h.c.hk.hk.c.h.", "k..kc..h.k..c.h.", "k.hrc.h.k.k.c.hr"),
}
"""Sixteen steps of a bar per string; a letter is a drum of `DrumKit.hits`."""
