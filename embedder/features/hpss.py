"""Harmonic–percussive source separation by medians."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.median import running_median
from embedder.features.turning import turned
from musicrec.kernel import fast_kernel

TINY = np.float32(1e-20)
"""Keeps 0 / 0 away where both medians are zero; far below the power of anything audible."""

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]


class Separation(NamedTuple):
    """Power of the two parts; their magnitudes sum to the magnitudes that were separated."""

    harmonic: Matrix
    percussive: Matrix


def separate(power: Matrix) -> Separation:
    """Split a spectrum into a harmonic and a percussive part.

    Steady tones are ridges along time and survive a median over frames (H); clicks are ridges along frequency and
    survive a median over bins (P).  Soft masks H² / (H² + P²) and its complement share the magnitudes out.  The parts
    are not turned into audio and back: that is a different feature, 1.3 dB away on real music.

    A median of squares is the square of the median: power goes in and out, and no root is ever taken.

    Args:
        power: |S|², shape (bins, frames).

    Returns:
        Two arrays of the shape of `power`.

    Source: Fitzgerald 2010, "Harmonic/percussive separation using median filtering", equations 4 to 9 with p = 2.
    """
    along_time = turned(running_median(turned(power)))
    harmonic, percussive = np.empty_like(power), np.empty_like(power)
    _share_out(power.ravel(), along_time.ravel(), running_median(power).ravel(), harmonic.ravel(), percussive.ravel())
    return Separation(harmonic, percussive)


@fast_kernel
def _share_out(
    power: Vector, along_time: Vector, along_frequency: Vector, harmonic: Vector, percussive: Vector
) -> None:
    for i in range(len(power)):
        h, p = along_time[i] + TINY, along_frequency[i] + TINY
        # The complement from its own median: 1 less the mask would leave little but rounding of a faint part.
        whole = np.float32(1) / (h + p)
        harmonic[i] = power[i] * (h * whole) * (h * whole)
        percussive[i] = power[i] * (p * whole) * (p * whole)
