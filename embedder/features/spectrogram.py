"""Segments of a track and their power spectra."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from embedder.features.fourier import power_of_frames
from embedder.features.geometry import (
    FFT_SIZE,
    MAX_SEGMENTS,
    SEGMENT_FRAMES,
    SEGMENT_HOP,
    SEGMENT_SAMPLES,
)


def cut_segments(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut a track into segments spread evenly over it.

    A track shorter than a segment is repeated until it fills one; an empty one becomes a segment of zeros.

    Args:
        pcm: mono samples at 22,050 Hz, shape (samples,), of any length.

    Returns:
        Array of shape (segments, SEGMENT_SAMPLES), 1 ≤ segments ≤ MAX_SEGMENTS.
    """
    if pcm.size == 0:
        return np.zeros((1, SEGMENT_SAMPLES), np.float32)
    if pcm.size < SEGMENT_SAMPLES:
        pcm = np.resize(pcm, SEGMENT_SAMPLES)
    spare = pcm.size - SEGMENT_SAMPLES
    count = min(MAX_SEGMENTS, 1 + spare // SEGMENT_HOP)
    starts = np.linspace(0, spare, count).astype(np.int64) if count > 1 else np.array([spare // 2])
    return np.stack([pcm[start : start + SEGMENT_SAMPLES] for start in starts]).astype(np.float32, copy=False)


@cache
def analysis_window() -> NDArray[np.float32]:
    """Return the periodic Hann window, shape (FFT_SIZE,)."""
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)).astype(np.float32)
    return window


def power_spectrum(segment: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return |STFT|² of one segment, frames not padded: each frame lies wholly inside it.

    Args:
        segment: shape (SEGMENT_SAMPLES,), float32.

    Returns:
        Shape (N_BINS, SEGMENT_FRAMES), float32; Hann window, amplitude 1 of a sine gives (FFT_SIZE / 4)².

    Raises:
        ValueError: the segment has another length.
    """
    if segment.shape != (SEGMENT_SAMPLES,):
        raise ValueError(f"shape {segment.shape}: a segment has {SEGMENT_SAMPLES} samples")
    return power_of_frames(segment, analysis_window(), SEGMENT_FRAMES)
