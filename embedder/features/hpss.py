"""Harmonic–percussive source separation by medians."""

from typing import NamedTuple

import torch
from torch import Tensor

from embedder.features.geometry import MEDIAN_WINDOW
from embedder.features.median import running_median

_TINY = 1e-20
"""Keeps 0 / 0 away where both medians are zero; far below the square of any audible magnitude."""


class Separation(NamedTuple):
    """Magnitudes of the two parts; they sum to the magnitudes that were separated."""

    harmonic: Tensor
    percussive: Tensor


def separate(spectrum: Tensor, window: int = MEDIAN_WINDOW) -> Separation:
    """Split magnitudes into a harmonic and a percussive part.

    Steady tones are ridges along time and survive a median over frames (H); clicks are ridges along frequency and
    survive a median over bins (P).  Soft masks H² / (H² + P²) and its complement share the magnitude out.  The parts
    are not turned into audio and back: that is a different feature, 1.3 dB away on real music.

    Args:
        spectrum: shape (segments, frames, bins), non-negative float32.
        window: frames and bins per median, odd.

    Returns:
        Two tensors of the shape of `spectrum`.

    Source: Fitzgerald 2010, "Harmonic/percussive separation using median filtering", equations 4 to 9 with p = 2.
    """
    harmonic = torch.empty_like(spectrum)
    percussive = torch.empty_like(spectrum)
    # One segment at a time on a CPU: its 550 rows of intermediates then stay in the second-level cache.
    step = 1 if spectrum.device.type == "cpu" else len(spectrum)
    for first in range(0, len(spectrum), step):
        part = spectrum[first : first + step]
        along_time = running_median(part.transpose(0, 1).contiguous(), window).transpose(0, 1)
        along_frequency = running_median(part.permute(2, 0, 1).contiguous(), window).permute(1, 2, 0)
        h, p = along_time.square(), along_frequency.square()
        mask = (h + _TINY) / (h + p + 2 * _TINY)
        torch.mul(part, mask, out=harmonic[first : first + step])
        torch.sub(part, harmonic[first : first + step], out=percussive[first : first + step])
    return Separation(harmonic, percussive)
