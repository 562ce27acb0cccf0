"""What the tracks of one soundtrack share."""

from dataclasses import dataclass

import numpy as np

from embedder.synthesis.drums import PATTERNS, DrumKit
from embedder.synthesis.families import FAMILY_NAMES, SCALES, STYLE_FAMILIES, StyleFamily
from embedder.synthesis.mastering import Mastering
from embedder.synthesis.voices import Voice, draw_voice
from musicrec.errors import BadInput

ROLES = ("chords", "bass", "lead", "arpeggio")


@dataclass(frozen=True, slots=True)
class Style:
    """One composer, one band, one studio."""

    seed: int
    family: str
    bpm: float
    """Middle of the tempi of its tracks."""
    scales: tuple[str, ...]
    voices: tuple[tuple[str, tuple[Voice, ...]], ...]
    """Instruments by role."""
    kit: DrumKit | None
    patterns: tuple[str, ...]
    drum_level: float
    levels: tuple[float, ...]
    """Level of each role, in the order of ROLES."""
    registers: tuple[int, ...]
    """Lowest MIDI pitch of each role."""
    busy: float
    held: float
    swing: float
    power_chords: bool
    mastering: Mastering

    @classmethod
    def sample(cls, seed: int, family: str | None = None) -> "Style":
        """Draw a style.

        Args:
            seed: the style is a function of it and of `family`.
            family: one of FAMILY_NAMES; None draws one.

        Raises:
            BadInput: there is no such family.
        """
        rng = np.random.default_rng([seed, 0x5717])
        chosen = STYLE_FAMILIES[int(rng.integers(len(STYLE_FAMILIES)))] if family is None else _named(family)
        return _draw(seed, chosen, rng)

    def voices_of(self, role: str) -> tuple[Voice, ...]:
        """Return the instruments that may play a role."""
        return dict(self.voices)[role]


def _named(name: str) -> StyleFamily:
    for family in STYLE_FAMILIES:
        if family.name == name:
            return family
    raise BadInput(f"family {name!r}: needs one of {', '.join(FAMILY_NAMES)}")


def _draw(seed: int, family: StyleFamily, rng: np.random.Generator) -> Style:
    def draw(bounds: tuple[float, float]) -> float:
        return float(rng.uniform(*bounds))

    def choose(names: tuple[str, ...], most: int) -> tuple[str, ...]:
        count = int(rng.integers(1, min(most, len(names)) + 1)) if names else 0
        return tuple(names[i] for i in rng.choice(len(names), count, replace=False)) if count else ()

    kinds = {"chords": family.chords, "bass": family.bass, "lead": family.lead, "arpeggio": family.arpeggio}
    voices = tuple((role, tuple(draw_voice(kind, rng) for kind in choose(kinds[role], 3))) for role in ROLES)
    patterns = tuple(PATTERNS[name][i] for name in choose(family.patterns, 2) for i in rng.permutation(3)[:2])
    return Style(
        seed=seed,
        family=family.name,
        bpm=draw(family.bpm),
        scales=tuple(name for name in choose(family.scales, 2) if name in SCALES),
        voices=voices,
        kit=DrumKit.draw(rng) if patterns else None,
        patterns=patterns,
        drum_level=draw(family.drums),
        levels=tuple(10 ** rng.uniform(-0.4, 0.1, len(ROLES))),
        registers=(
            int(rng.integers(48, 58)),
            int(rng.integers(26, 36)),
            int(rng.integers(60, 74)),
            int(rng.integers(52, 70)),
        ),
        busy=draw(family.busy),
        held=draw(family.held),
        swing=draw(family.swing),
        power_chords=family.power_chords,
        mastering=Mastering.draw(
            rng, room=family.room, reverberation_s=family.reverberation_s, drive=family.drive, bits=family.bits
        ),
    )
