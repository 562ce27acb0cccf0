"""The families that styles belong to: what a listener would call a genre."""

from dataclasses import dataclass

Range = tuple[float, float]

SCALES: dict[str, tuple[float, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "hijaz": (0, 1, 4, 5, 7, 8, 10),
    "bhairav": (0, 1, 4, 5, 7, 8, 11),
    "in": (0, 1, 5, 7, 8),
    "slendro": (0, 2.4, 4.8, 7.2, 9.6),
    "pelog": (0, 1.2, 2.6, 5.4, 6.9, 7.9, 9.6),
    "whole tone": (0, 2, 4, 6, 8, 10),
}
"""Semitones from the tonic; Javanese tunings lie between them."""


@dataclass(frozen=True, slots=True)
class StyleFamily:
    """Ranges from which the styles of a family are drawn."""

    name: str
    bpm: Range
    scales: tuple[str, ...]
    chords: tuple[str, ...]
    """Kinds of voice that may play chords; empty has none."""
    bass: tuple[str, ...]
    lead: tuple[str, ...]
    arpeggio: tuple[str, ...]
    patterns: tuple[str, ...]
    """Drum patterns; empty has no drums."""
    drums: Range = (0.5, 1.0)
    """Level of the drums beside the rest."""
    busy: Range = (0.3, 0.7)
    """Chance that a step of a melody is played."""
    held: Range = (0.3, 1.0)
    """Length of a note by the room it has."""
    swing: Range = (0.0, 0.0)
    """Delay of every second step, in steps."""
    room: Range = (0.05, 0.35)
    """Reverberation beside the direct sound."""
    reverberation_s: Range = (0.3, 1.8)
    drive: Range = (0.0, 1.0)
    """Saturation of the master."""
    bits: Range = (16.0, 16.0)
    power_chords: bool = False


STYLE_FAMILIES: tuple[StyleFamily, ...] = (
    StyleFamily(
        "ambient", (50, 90), ("lydian", "minor", "dorian", "major"), ("pad", "choir", "strings"), ("sub", "pad"),
        ("flute", "bell", "pad"), ("bell", "harp", "electric piano"), (), busy=(0.1, 0.3), held=(1.0, 2.5),
        room=(0.4, 1.0), reverberation_s=(2.0, 5.0), drive=(0.0, 0.3),
    ),
    StyleFamily(
        "orchestral", (60, 140), ("minor", "major", "harmonic minor", "dorian"), ("strings", "brass", "choir"),
        ("strings", "brass"), ("strings", "flute", "reed", "brass"), ("strings", "harp", "reed"),
        ("timpani", "march", "timpani"), drums=(0.3, 0.9), busy=(0.3, 0.7), held=(0.6, 1.2), room=(0.25, 0.6),
        reverberation_s=(1.2, 3.0), drive=(0.0, 0.4),
    ),
    StyleFamily(
        "piano", (55, 130), ("major", "minor", "dorian", "harmonic minor"), ("piano", "electric piano"), ("piano",),
        ("piano",), ("piano",), (), busy=(0.3, 0.8), held=(0.8, 2.0), reverberation_s=(0.6, 2.5), drive=(0.0, 0.2),
    ),
    StyleFamily(
        "folk", (70, 150), ("major", "dorian", "mixolydian", "pentatonic"), ("guitar",), ("bass guitar", "guitar"),
        ("flute", "reed", "strings"), ("guitar", "harp"), ("shaker", "hands"), drums=(0.2, 0.6), busy=(0.4, 0.8),
    ),
    StyleFamily(
        "rock", (90, 160), ("minor", "mixolydian", "major", "blues"), ("electric guitar", "organ"), ("bass guitar",),
        ("electric guitar", "organ"), ("electric guitar", "guitar"), ("backbeat", "half"), drums=(0.7, 1.2),
        drive=(0.5, 2.0), power_chords=True,
    ),
    StyleFamily(
        "metal", (100, 220), ("phrygian", "harmonic minor", "minor"), ("electric guitar",), ("bass guitar",),
        ("electric guitar",), ("electric guitar",), ("blast", "backbeat", "half"), drums=(0.8, 1.3), busy=(0.5, 0.9),
        held=(0.2, 0.7), drive=(1.5, 4.0), power_chords=True,
    ),
    StyleFamily(
        "jazz", (80, 220), ("dorian", "mixolydian", "blues", "major"), ("electric piano", "piano", "guitar", "organ"),
        ("bass guitar",), ("brass", "reed", "piano", "flute"), ("piano", "mallet"), ("swing",), drums=(0.3, 0.8),
        busy=(0.4, 0.8), held=(0.3, 0.8), swing=(0.2, 0.35),
    ),
    StyleFamily(
        "hip hop", (68, 104), ("minor", "dorian", "phrygian"), ("electric piano", "piano", "strings"), ("sub",),
        ("bell", "flute", "saw"), ("electric piano", "guitar", "mallet"), ("loop", "half"), drums=(0.8, 1.4),
        busy=(0.2, 0.5), swing=(0.0, 0.3), drive=(0.3, 2.0),
    ),
    StyleFamily(
        "reggae", (62, 96), ("minor", "major", "mixolydian"), ("organ", "guitar", "electric guitar"),
        ("bass guitar", "sub"), ("brass", "organ", "reed"), ("organ", "guitar"), ("skank",), drums=(0.6, 1.1),
        held=(0.1, 0.4), room=(0.2, 0.7), reverberation_s=(0.8, 2.5), swing=(0.0, 0.2),
    ),
    StyleFamily(
        "house", (112, 132), ("minor", "dorian", "major"), ("saw", "electric piano", "organ", "pad"),
        ("sub", "digital bass", "saw"), ("saw", "square", "choir"), ("saw", "square", "mallet"), ("four",),
        drums=(0.8, 1.4), busy=(0.4, 0.8), held=(0.2, 0.7), drive=(0.5, 2.5),
    ),
    StyleFamily(
        "techno", (122, 150), ("minor", "phrygian", "whole tone"), ("saw", "pad"), ("digital bass", "saw", "wobble"),
        ("square", "saw", "bell"), ("saw", "square", "digital bass"), ("four", "break"), drums=(0.9, 1.6),
        busy=(0.5, 0.9), held=(0.1, 0.5), drive=(1.0, 4.0),
    ),
    StyleFamily(
        "drum and bass", (160, 180), ("minor", "dorian", "phrygian"), ("pad", "saw", "electric piano"),
        ("wobble", "sub", "digital bass"), ("saw", "bell", "choir"), ("electric piano", "square"), ("break",),
        drums=(0.9, 1.5), busy=(0.2, 0.6), drive=(1.0, 3.5),
    ),
    StyleFamily(
        "synthwave", (80, 124), ("minor", "dorian", "lydian"), ("saw", "pad"), ("saw", "digital bass"),
        ("saw", "square"), ("saw", "square"), ("backbeat", "four"), drums=(0.7, 1.2), busy=(0.4, 0.7),
        room=(0.2, 0.6), reverberation_s=(0.8, 2.5), drive=(0.5, 2.5),
    ),
    StyleFamily(
        "chiptune", (110, 180), ("major", "minor", "pentatonic", "harmonic minor"), ("pulse", "square"),
        ("square", "pulse"), ("pulse", "square"), ("pulse", "square"), ("backbeat", "four", "shaker"),
        drums=(0.3, 0.9), busy=(0.6, 0.95), held=(0.3, 0.9), room=(0.0, 0.05), reverberation_s=(0.1, 0.3),
        drive=(0.0, 1.0), bits=(4.0, 8.0),
    ),
    StyleFamily(
        "raga", (60, 130), ("bhairav", "hijaz", "phrygian", "dorian"), ("pad", "reed"), ("sitar", "organ"),
        ("sitar", "flute", "reed"), ("sitar",), ("hands",), drums=(0.4, 0.9), busy=(0.4, 0.8), held=(0.5, 1.2),
    ),
    StyleFamily(
        "gamelan", (70, 140), ("slendro", "pelog"), ("gong",), ("gong",), ("mallet", "bell", "flute"),
        ("mallet", "gong"), ("hands", "timpani"), drums=(0.2, 0.7), busy=(0.6, 0.95), held=(0.6, 1.5),
        room=(0.15, 0.5),
    ),
    StyleFamily(
        "koto and shakuhachi", (50, 100), ("in", "pentatonic"), ("harp",), ("harp", "guitar"), ("flute", "harp"),
        ("harp", "guitar"), ("timpani", "hands"), drums=(0.2, 0.7), busy=(0.2, 0.6), held=(0.8, 2.0),
        room=(0.2, 0.6), reverberation_s=(0.8, 2.5),
    ),
)  # fmt: skip
"""Every family, in the order of the network's classes."""

FAMILY_NAMES: tuple[str, ...] = tuple(family.name for family in STYLE_FAMILIES)
