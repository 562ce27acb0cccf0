"""What happens to the mix: room, equaliser, saturation, noise, bandwidth, level."""

from dataclasses import dataclass, replace

import numpy as np

from embedder.synthesis.notes import SAMPLE_RATE_HZ, Samples

_EQ_HZ = np.array([30.0, 60, 125, 250, 500, 1000, 2000, 4000, 8000, 11025])


@dataclass(frozen=True, slots=True)
class Mastering:
    """The chain that every track of a style goes through."""

    seed: int
    room: float
    reverberation_s: float
    equaliser_db: tuple[float, ...]
    """Gain at the frequencies of `_EQ_HZ`."""
    cutoff_hz: float
    """Above it the record is empty, as after lossy coding or from an old sampler."""
    drive: float
    bits: float
    noise_db: float
    level_db: float
    """Root mean square of the result by full scale."""

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        room: tuple[float, float],
        reverberation_s: tuple[float, float],
        drive: tuple[float, float],
        bits: tuple[float, float],
    ) -> "Mastering":
        """Draw a chain from a family's ranges; tone, bandwidth, noise and level are any studio's."""
        tilt_db = rng.normal(0, 2.0) * np.log2(_EQ_HZ / 600) / 2
        wander_db = rng.normal(0, 2.5, _EQ_HZ.size)
        return cls(
            seed=int(rng.integers(2**31)),
            room=rng.uniform(*room),
            reverberation_s=rng.uniform(*reverberation_s),
            equaliser_db=tuple(tilt_db + wander_db),
            cutoff_hz=float(rng.choice([11_025, 11_025, 10_000, 8_000, 5_500], p=[0.4, 0.25, 0.2, 0.1, 0.05])),
            drive=rng.uniform(*drive),
            bits=rng.uniform(*bits),
            noise_db=rng.uniform(-95, -50),
            level_db=rng.uniform(-26, -10),
        )

    def vary(self, rng: np.random.Generator) -> "Mastering":
        """Return the chain as it was set for one track: the same studio on another day."""
        return replace(
            self,
            room=self.room * 2 ** rng.normal(0, 0.5),
            equaliser_db=tuple(np.array(self.equaliser_db) + rng.normal(0, 1.2, _EQ_HZ.size)),
            drive=self.drive * 2 ** rng.normal(0, 0.4),
            noise_db=self.noise_db + rng.normal(0, 4),
            level_db=min(-8.0, self.level_db + rng.normal(0, 2.0)),
        )

    def apply(self, mix: Samples, rng: np.random.Generator) -> Samples:
        """Return the mastered mix: finite, within ±1, of the same length."""
        wet = self._filter(mix)
        wet /= np.sqrt(np.mean(np.square(wet))) + 1e-9
        if self.drive > 0.05:
            wet = np.tanh(wet * (0.5 * self.drive)) / (0.5 * self.drive)
        if self.bits < 16:
            step = 2.0 ** (2 - self.bits)
            wet = np.round(wet / step) * step
        wet /= np.sqrt(np.mean(np.square(wet))) + 1e-9
        wet += 10 ** (self.noise_db / 20) * rng.standard_normal(wet.size, dtype=np.float32)
        wet *= 10 ** (self.level_db / 20)
        mastered: Samples = np.clip(wet, -1.0, 1.0).astype(np.float32)
        return mastered

    def _filter(self, mix: Samples) -> Samples:
        """Room, equaliser and cutoff in one multiplication of spectra."""
        impulse = self._room_impulse()
        length = _fast_length(mix.size + impulse.size)
        hz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ)
        gain_db = np.interp(np.log2(np.maximum(hz, 20)), np.log2(_EQ_HZ), self.equaliser_db)
        gain = 10 ** (gain_db / 20) / np.sqrt(1 + (hz / self.cutoff_hz) ** 24)
        gain /= np.sqrt(1 + (25 / np.maximum(hz, 1e-3)) ** 4)  # no rumble, no DC
        spectrum = np.fft.rfft(mix, length) * np.fft.rfft(impulse, length) * gain
        filtered: Samples = np.fft.irfft(spectrum, length)[: mix.size].astype(np.float32)
        return filtered

    def _room_impulse(self) -> Samples:
        rng = np.random.default_rng(self.seed)
        t = np.arange(int(min(self.reverberation_s, 3.0) * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
        tail = rng.standard_normal(t.size, dtype=np.float32) * np.exp(-6.9 * t / self.reverberation_s)
        tail[1:] += 0.6 * tail[:-1]  # air takes the treble
        impulse = self.room * tail / (np.sqrt(np.square(tail).sum()) + 1e-9)
        impulse[0] += 1.0
        filtered: Samples = impulse.astype(np.float32)
        return filtered


def _fast_length(n: int) -> int:
    """Smallest 2^a · 3^b · 5^c of at least n: the transform of a prime length takes ten times as long."""
    best = 1 << (n - 1).bit_length()
    for three in (1, 3, 9, 27):
        for five in (1, 5, 25, 125):
            odd = three * five
            best = min(best, odd << max(0, (-(-n // odd) - 1).bit_length()))
    return best
