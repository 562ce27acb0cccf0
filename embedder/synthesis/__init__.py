"""Music-like audio from a seed: to train on, to try the recommender with, and to measure without anybody's recordings.

A `Style` is what the tracks of one soundtrack share (instruments, drum kit, scales, tempo, room, mastering); a seed
chooses one track of it.  The same style, seed and length give the same samples.  Pure NumPy.
"""

from embedder.synthesis.families import FAMILY_NAMES, STYLE_FAMILIES, StyleFamily
from embedder.synthesis.notes import SAMPLE_RATE_HZ
from embedder.synthesis.style import Style
from embedder.synthesis.track import INSTRUMENTS, Performance, perform, synthesise

__all__ = [
    "FAMILY_NAMES",
    "INSTRUMENTS",
    "SAMPLE_RATE_HZ",
    "STYLE_FAMILIES",
    "Performance",
    "Style",
    "StyleFamily",
    "perform",
    "synthesise",
]
