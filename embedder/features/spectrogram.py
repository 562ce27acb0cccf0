"""Segments of a track and their magnitude spectra."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedder.features.geometry import (
    FFT_SIZE,
    HOP_LENGTH,
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
def _window(device: torch.device) -> Tensor:
    # Outside inference mode, so that a cached constant can serve training too.
    with torch.inference_mode(False):
        return torch.hann_window(FFT_SIZE, periodic=True, dtype=torch.float32, device=device)


def magnitude(segments: Tensor) -> Tensor:
    """Return |STFT| of segments, frames not padded: each frame lies wholly inside its segment.

    Args:
        segments: shape (segments, SEGMENT_SAMPLES), float32.

    Returns:
        Shape (segments, SEGMENT_FRAMES, N_BINS), float32; Hann window, amplitude 1 of a sine gives FFT_SIZE / 4.

    Raises:
        ValueError: the last axis is not SEGMENT_SAMPLES long.
    """
    if segments.shape[-1] != SEGMENT_SAMPLES:
        raise ValueError(f"shape {tuple(segments.shape)}: a segment has {SEGMENT_SAMPLES} samples")
    frames = segments.unfold(-1, FFT_SIZE, HOP_LENGTH)
    assert frames.shape[-2] == SEGMENT_FRAMES
    spectrum = torch.view_as_real(torch.fft.rfft(frames * _window(segments.device)))
    real, imaginary = spectrum.unbind(-1)
    return (real * real).addcmul_(imaginary, imaginary).sqrt_()
