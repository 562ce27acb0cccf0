"""Losses and the changes made to images while training."""

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.1


def same_style_loss(embedding: Tensor, styles: Tensor) -> Tensor:
    """Return the supervised contrastive loss: each segment should find the others of its style among the batch.

    Args:
        embedding: (segments, dimension), any length.
        styles: (segments,), each style at least twice.

    Source: Khosla et al. 2020, "Supervised contrastive learning", equation 2.
    """
    unit = functional.normalize(embedding.float(), dim=-1)
    similarity = unit @ unit.T / TEMPERATURE
    itself = torch.eye(len(styles), dtype=torch.bool, device=styles.device)
    log_share = similarity - torch.logsumexp(similarity.masked_fill(itself, -torch.inf), dim=1, keepdim=True)
    positive = (styles[:, None] == styles[None, :]) & ~itself
    loss: Tensor = -(log_share * positive).sum(1).div(positive.sum(1).clamp(min=1)).mean()
    return loss


def distort(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images with level and contrast moved a little, rolled along time, one stripe of each axis hidden.

    Args:
        images: (segments, 3, bands, frames), 0 to 1.
        generator: source of the changes, on the CPU.
    """
    count, _, bands, frames = images.shape
    draws = torch.rand((count, 6), generator=generator)
    level = ((draws[:, 0] - 0.5) * 0.12).to(images)[:, None, None, None]
    contrast = (0.9 + 0.2 * draws[:, 1]).to(images)[:, None, None, None]
    changed = (images * contrast + level * (images > 0)).clamp_(0.0, 1.0)
    for i in range(count):
        changed[i] = changed[i].roll(int(draws[i, 2] * frames), dims=-1)
        band, frame = int(draws[i, 3] * bands), int(draws[i, 4] * frames)
        width = int(draws[i, 5] * 24)
        changed[i, :, band : band + width] = 0.0
        changed[i, :, :, frame : frame + 2 * width] = 0.0
    return changed
