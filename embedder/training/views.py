"""Ways in which a recording might have come out otherwise, drawn on its image: tone, noise, and what else sounds."""

import torch
from torch import Tensor

from embedder.features.geometry import DYNAMIC_RANGE_DB
from embedder.training.contrastive import distort

_TILT_DB = 12.0
"""From the lowest to the highest band, at most: a treble and a bass control turned."""
_NOISE_DB = (-75.0, -35.0)
"""Level of a noise floor under the loudest point."""
_BESIDE_DB = (-30.0, -12.0)
"""Level at which another segment of the batch sounds along: a crossfade, a crowd, a jingle."""
_OFTEN = 0.5
"""Chance of noise, and of something beside."""


def view(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images tilted, with noise and another segment mixed in, then distorted.

    On a log-mel image, a filter adds a level per band, and a mixture is about the louder of its parts (within 3 dB).

    Args:
        images: (segments, 3, bands, frames), 0 (DYNAMIC_RANGE_DB below the loudest point) to 1.
        generator: source of the changes, on the CPU.
    """
    count, _, bands, _ = images.shape
    draws = torch.rand((count, 5), generator=generator)
    slope = torch.linspace(-0.5, 0.5, bands)[None, None, :, None]
    tilt = (2 * draws[:, 0] - 1)[:, None, None, None] * _TILT_DB / DYNAMIC_RANGE_DB
    changed = (images + slope * tilt * (images > 0)).clamp(0.0, 1.0)
    beside = images[torch.randperm(count, generator=generator)] + _below(draws[:, 1], _BESIDE_DB)
    changed = torch.where((draws[:, 2] < _OFTEN)[:, None, None, None], torch.maximum(changed, beside), changed)
    floor = 1.0 + _below(draws[:, 3], _NOISE_DB)
    changed = torch.where((draws[:, 4] < _OFTEN)[:, None, None, None], torch.maximum(changed, floor), changed)
    return distort(changed, generator)


def _below(draws: Tensor, range_db: tuple[float, float]) -> Tensor:
    lowest, highest = range_db
    return ((lowest + (highest - lowest) * draws) / DYNAMIC_RANGE_DB)[:, None, None, None]
