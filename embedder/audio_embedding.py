"""What the encoder says of a track."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioEmbedding:
    """What is known of a track from its audio alone."""

    vector: NDArray[np.float32]
    """(dimension,), unit length; the inner product of two is their likeness, -1 to 1."""
    genres: tuple[tuple[str, float], ...]
    """Most probable classes and their mean probability over the segments, best first; empty for silence."""
    segment_genres: tuple[tuple[tuple[str, float], ...], ...]
    """Most probable classes of each segment, best first; empty for silence."""
    spread: float | None
    """How unlike each other the segments are, 0 to 1; None for silence."""
    tempo_bpm: float | None
    """Beats per minute; None where nothing recurs."""
    key_profile: tuple[float, ...]
    """Share of the twelve pitch classes from C, summing to 1; uniform for silence."""
