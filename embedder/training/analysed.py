"""A track as training keeps it: what `analyse` hears, in steps that fit a byte."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.analysis import analyse


class Analysed(NamedTuple):
    """What is heard in one track."""

    images: NDArray[np.uint8]
    """(segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 255: steps of 0.3 dB."""
    descriptors: NDArray[np.float32]
    """(N_DESCRIPTORS,)"""
    silent: bool


def analysed(pcm: NDArray[np.float32]) -> Analysed:
    """Analyse one track, mono samples at 22,050 Hz, on the CPU.

    Raises:
        BadInput: of `analyse`.
    """
    features = analyse(pcm)
    images = (features.images * 255).round().astype(np.uint8)
    return Analysed(images, features.descriptors, features.silent)
