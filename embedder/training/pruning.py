"""Channels of the light network left out, and the rest taught to say what the whole network said.

Sources: Liu et al. 2017, "Learning efficient convolutional networks through network slimming", for the scale of the
batch normalisation as a channel's worth; Hinton et al. 2015, "Distilling the knowledge in a neural network".
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder.network import LightNet, TrackNetwork
from embedder.training.trainer import EpochReport, pace
from musicrec.errors import BadInput

NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class DistillingSettings:
    """How the rest is taught."""

    seed: int = 1
    epochs: int = 2
    segments_per_batch: int = 32
    learning_rate: float = 1e-3


def pruned(network: TrackNetwork, share: float) -> TrackNetwork:
    """Return a copy with this share of the channels of each convolution, those of the largest scale.

    Raises:
        BadInput: the network is not a light one, or the share is not above 0 and at most 1.
    """
    whole = network.segments
    if not isinstance(whole, LightNet) or not 0 < share <= 1:
        raise BadInput(f"share {share} of a {network.shape.architecture} network: needs 0 to 1, and a light network")
    norms = [each for each in whole.convolutions if isinstance(each, nn.BatchNorm2d)]
    kept = [_largest(norm.weight, max(1, round(share * norm.num_features))) for norm in norms]
    small = LightNet(network.shape.learned, network.shape.classes, tuple(len(each) for each in kept))
    before = torch.arange(3)
    at = 0
    for old, new in zip(whole.convolutions, small.convolutions, strict=True):
        if isinstance(old, nn.Conv2d) and isinstance(new, nn.Conv2d):
            new.weight.data.copy_(old.weight[kept[at]][:, before])
        elif isinstance(old, nn.BatchNorm2d) and isinstance(new, nn.BatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(new, name).data.copy_(getattr(old, name)[kept[at]])
            before, at = kept[at], at + 1
    small.reduce.weight.data.copy_(whole.reduce.weight[:, before])
    for name in ("reduce.bias", "embed.weight", "embed.bias", "classify.weight", "classify.bias"):
        small.get_parameter(name).data.copy_(whole.get_parameter(name))
    copy = deepcopy(network)
    copy.segments = small
    copy.eval()
    return copy


def _largest(scale: Tensor, count: int) -> Tensor:
    return scale.abs().argsort(descending=True, stable=True)[:count].sort().values


def distil(
    small: TrackNetwork,
    whole: TrackNetwork,
    images: NDArray[np.uint8],
    settings: DistillingSettings,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> None:
    """Teach a network, in place, the embedding direction and the class distribution that another gives.

    Args:
        small: what is taught.
        whole: what teaches.
        images: (segments, 3, bands, frames), 0 to 255; unlabelled.
        settings: how.
        on_epoch: called after each epoch.
    """
    optimiser = torch.optim.Adam(small.segments.parameters(), settings.learning_rate)
    steps = max(1, len(images) // settings.segments_per_batch)
    rng = np.random.default_rng(settings.seed)
    for epoch in range(settings.epochs):
        losses = []
        order = rng.permutation(len(images))
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = settings.learning_rate * pace(
                (epoch * steps + step + 0.5) / (settings.epochs * steps)
            )
            rows = order[step * settings.segments_per_batch :][: settings.segments_per_batch]
            part = torch.from_numpy(images[rows]).float().div_(255).contiguous(memory_format=torch.channels_last)
            losses.append(_distilling_step(small, whole, part, optimiser))
        on_epoch(EpochReport(epoch + 1, settings.epochs, float(np.mean(losses))))
    small.eval()


def _distilling_step(small: TrackNetwork, whole: TrackNetwork, part: Tensor, optimiser: torch.optim.Optimizer) -> float:
    with torch.no_grad():
        target, classes = whole.segments(part)
    # Running means stay those of evaluation: in training mode, dropout would be what differs most.
    small.eval()
    embedding, logits = small.segments(part)
    loss = 1 - functional.cosine_similarity(embedding, target).mean()
    loss = loss + 0.1 * functional.kl_div(logits.log_softmax(-1), classes.softmax(-1), reduction="batchmean")
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def neighbour_overlap(one: NDArray[np.float32], other: NDArray[np.float32], k: int = NEIGHBOURS) -> float:
    """Return the mean share of a track's `k` nearest others that it has in both kinds of vectors, (tracks, any)."""
    nearest = []
    for vectors in (one, other):
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -np.inf)
        nearest.append(np.argsort(-similarity, axis=1, kind="stable")[:, :k])
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(*nearest, strict=True)]))


def multiplications(network: nn.Module) -> int:
    """Return multiply-accumulates of the convolutions and layers of a segment network for one image."""
    count = 0

    def add(module: nn.Module, _: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal count
        # Every weight is used once for each place of the result.
        places = result[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        count += places * module.get_parameter("weight").numel()

    hooks = [each.register_forward_hook(add) for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network(torch.zeros(1, 3, 256, 256))
    for hook in hooks:
        hook.remove()
    return count
