"""The same levels in torch, for a GPU: one program of tensor operations for all segments at once."""

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedder.features.geometry import AUTOCORRELATION_POWER, FFT_SIZE, HOP_LENGTH, MEDIAN_WINDOW
from embedder.features.hpss import TINY
from embedder.features.levels import PARTIAL_BINS, Levels
from embedder.features.logmel import FLOOR_DB, FULL_SCALE, mel_filters
from embedder.features.selection_network import run, selection_program
from embedder.features.spectrogram import analysis_window

_OUTPUTS = 16
_BLOCKS = 8


def torch_levels(segments: NDArray[np.float32], device: torch.device) -> Levels:
    """Analyse segments on a device; see `levels`."""
    with torch.inference_mode():
        spectrum = power_spectrum(torch.from_numpy(segments).to(device))
        median = _median_on(device)
        along_time = median(spectrum.movedim(-1, 0)).movedim(0, -1)
        along_frequency = median(spectrum.movedim(1, 0)).movedim(0, 1)
        whole = along_time + along_frequency + 2 * TINY
        masks = ((along_time + TINY) / whole, (along_frequency + TINY) / whole)
        parts = (spectrum, *(spectrum * mask.square() for mask in masks))
        return Levels(
            torch.stack([mel_level_db(part) for part in parts], dim=1),
            parts[1][:, :PARTIAL_BINS] ** (AUTOCORRELATION_POWER / 2),
            parts[1].mean(dim=1).sqrt(),
        )


def power_spectrum(segments: Tensor) -> Tensor:
    """Return |STFT|² of (segments, SEGMENT_SAMPLES), shape (segments, N_BINS, SEGMENT_FRAMES)."""
    frames = segments.unfold(-1, FFT_SIZE, HOP_LENGTH)
    spectrum = torch.fft.rfft(frames * _window(segments.device))
    return (spectrum.real.square() + spectrum.imag.square()).transpose(-1, -2)


def mel_level_db(spectrum: Tensor) -> Tensor:
    """Return levels in mel bands (dB), from power (segments, N_BINS, frames) to (segments, MEL_BANDS, frames)."""
    power = torch.cat([block.filters @ spectrum[:, block.bins] for block in _blocks(spectrum.device)], dim=1)
    return (power / FULL_SCALE).clamp_(min=10 ** (FLOOR_DB / 10)).log10_().mul_(10.0)


def running_median(x: Tensor) -> Tensor:
    """Return the median over MEDIAN_WINDOW rows around each row of `x`; all further axes are lanes of their own.

    Edges as in `median.running_median`.
    """
    program = selection_program(MEDIAN_WINDOW, _OUTPUTS)
    rows = x.shape[0]
    blocks = -(-rows // _OUTPUTS)
    padded = x.index_select(0, _symmetric_rows(rows, blocks * _OUTPUTS, x.device))
    # Register i holds rows i, i + outputs, i + 2 outputs, ...: one operation handles all blocks and lanes.
    inputs = [padded[i : i + (blocks - 1) * _OUTPUTS + 1 : _OUTPUTS] for i in range(program.inputs)]
    medians = torch.stack(run(program, inputs, torch.minimum, torch.maximum), dim=1)
    return medians.reshape(blocks * _OUTPUTS, *padded.shape[1:])[:rows]


@cache
def _median_on(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the medians as one kernel that holds the whole program in registers, where torch can make it."""
    if device.type == "cpu" or importlib.util.find_spec("triton") is None:
        return running_median
    compiled: Callable[[Tensor], Tensor] = torch.compile(running_median, dynamic=False, fullgraph=True)
    return compiled


def _symmetric_rows(rows: int, outputs: int, device: torch.device) -> Tensor:
    half = MEDIAN_WINDOW // 2
    index = torch.arange(-half, outputs + half, device=device) % (2 * rows)
    return torch.minimum(index, 2 * rows - 1 - index)


@cache
def _window(device: torch.device) -> Tensor:
    return torch.from_numpy(analysis_window()).to(device)


class _BandBlock(NamedTuple):
    """Neighbouring bands, and the bins that any of them hears."""

    bins: slice
    filters: Tensor
    """(bands, bins)"""


@cache
def _blocks(device: torch.device) -> tuple[_BandBlock, ...]:
    """Return the filters in blocks: of the whole matrix, 0.8 % is not zero."""
    blocks = []
    for part in np.split(mel_filters(), _BLOCKS):
        heard = np.flatnonzero(part.any(axis=0))
        bins = slice(int(heard[0]), int(heard[-1]) + 1)
        blocks.append(_BandBlock(bins, torch.from_numpy(part[:, bins].copy()).to(device)))
    return tuple(blocks)
