"""The training loop: contrastive on styles, classes for families, tasks beside; resumable after any epoch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder.network import TrackNetwork
from embedder.network_shape import NetworkShape
from embedder.synthesis import FAMILY_NAMES
from embedder.training.calibration import calibrate
from embedder.training.channels import ALL, hear_only
from embedder.training.checkpoint import TrainingCheckpoint
from embedder.training.contrastive import distort, same_style_loss
from embedder.training.corpus import Corpus
from embedder.training.descriptor_map import fit_descriptor_map
from embedder.training.tasks import TaskHeads, Truths

LEARNED = 128
DESCRIBED = 128
"""Components of a vector from the images and from the descriptors."""
FAMILY_WEIGHT = 0.3
"""Weight of the classification beside the contrast: it names genres, the contrast places tracks."""
LEARNED_SHARE = 0.4
"""Weight of the learned part in the inner product of two vectors: a little more trust in what needs no training."""

CALIBRATED_TRACKS = 64
"""From which the ranges of 8-bit numbers are taken, or a few more."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the network is trained."""

    seed: int = 1
    epochs: int = 24
    styles_per_batch: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    channels: str = ALL
    """Parts of the sound that the network hears, joined by `+`."""
    tasks: bool = False
    """Whether it is asked for instruments, tempo and key too, see `tasks.py`."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What an epoch came to."""

    epoch: int
    epochs: int
    loss: float


def train(
    corpus: Corpus,
    shape: NetworkShape,
    settings: TrainingSettings,
    folder: Path,
    on_epoch: Callable[[EpochReport], None],
) -> TrackNetwork:
    """Train a network, going on from the newest checkpoint in `folder` where there is one.

    Each epoch's draws depend on the seed and the epoch alone, so a resumed run sees what an unbroken one would have.

    Raises:
        BadInput: the settings name a channel that there is not.
        Incompatible: the checkpoint in `folder` was made with other settings.
    """
    torch.manual_seed(settings.seed)
    network = TrackNetwork(shape)
    hear_only(network, settings.channels)
    network.to(memory_format=torch.channels_last)
    taught = _Taught(network, TaskHeads(network.segments.embed.in_features))
    steps = _steps_per_epoch(corpus, settings)
    optimiser = torch.optim.AdamW(taught.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    checkpoint = TrainingCheckpoint(folder, {"shape": asdict(shape), "settings": asdict(settings)})
    first = checkpoint.restore(taught, optimiser)
    for epoch in range(first, settings.epochs):
        torch.manual_seed(settings.seed * 1_000_003 + epoch)
        losses = []
        for number, batch in enumerate(_batches(corpus, settings, epoch)):
            progress = (epoch * steps + number + 0.5) / (settings.epochs * steps)
            optimiser.param_groups[0]["lr"] = settings.learning_rate * pace(progress)
            losses.append(_step(taught, optimiser, batch, settings))
        checkpoint.write(taught, optimiser, epoch + 1)
        on_epoch(EpochReport(epoch + 1, settings.epochs, float(np.mean(losses))))
    _finish(network, corpus)
    network.eval()
    return network


class _Taught(nn.Module):
    """What has gradients: the network, and the heads that are thrown away."""

    def __init__(self, network: TrackNetwork, heads: TaskHeads) -> None:
        super().__init__()
        self.track_network = network
        self.heads = heads


@dataclass(frozen=True, slots=True)
class _Batch:
    images: Tensor
    styles: Tensor
    families: Tensor
    truths: Truths


def _steps_per_epoch(corpus: Corpus, settings: TrainingSettings) -> int:
    styles = int(corpus.styles[-1]) + 1
    return styles // min(settings.styles_per_batch, styles)


def _batches(corpus: Corpus, settings: TrainingSettings, epoch: int) -> Iterator[_Batch]:
    """Yield batches of two segments, of different tracks, of each of `styles_per_batch` styles."""
    rng = np.random.default_rng([settings.seed, epoch])
    generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
    per_style = np.bincount(corpus.styles)
    order = rng.permutation(len(per_style))
    size = min(settings.styles_per_batch, len(order))
    for first in range(0, len(order) - size + 1, size):
        chosen = order[first : first + size]
        tracks = np.concatenate([s * per_style[s] + rng.choice(per_style[s], 2, replace=False) for s in chosen])
        segments = rng.integers(corpus.images.shape[1], size=tracks.size)
        images = torch.from_numpy(corpus.images[tracks, segments]).float().div_(255)
        yield _Batch(
            distort(images, generator).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(corpus.styles[tracks]),
            torch.from_numpy(corpus.families[tracks]),
            corpus.truths.chosen(tracks),
        )


def pace(progress: float) -> float:
    """Return the share of the learning rate after a share of all steps: up for a seventh, then half a cosine down."""
    rise = 0.15
    if progress < rise:
        return progress / rise
    return 0.5 + 0.5 * math.cos(math.pi * (progress - rise) / (1 - rise))


def reduced_precision() -> torch.autocast:
    """Return bfloat16 where the CPU has matrix units for it, which make a step ten times as fast; elsewhere float32.

    A CPU that has to convert each operand takes three times as long in bfloat16 as in float32.
    """
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(has.get("amx_bf16") or has.get("avx512_bf16")))


def _step(taught: _Taught, optimiser: torch.optim.Optimizer, batch: _Batch, settings: TrainingSettings) -> float:
    taught.train()
    segments = taught.track_network.segments
    with reduced_precision():
        heard = segments.heard(batch.images)
        embedding, logits = segments.answer(heard)
        tasks = taught.heads.loss(heard, batch.truths) if settings.tasks else torch.zeros(())
    loss = tasks + same_style_loss(embedding, batch.styles)
    loss = loss + FAMILY_WEIGHT * functional.cross_entropy(logits.float(), batch.families)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(taught.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def embed_segments(network: TrackNetwork, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return unit embeddings (tracks, segments, learned) and mean class probabilities (tracks, classes)."""
    network.eval()
    embeddings, probabilities = [], []
    with torch.no_grad():
        for track in images:
            output = network.segments(torch.from_numpy(track).float().div_(255))
            embeddings.append(functional.normalize(output.embedding, dim=-1))
            probabilities.append(output.logits.softmax(-1).mean(0))
    return torch.stack(embeddings), torch.stack(probabilities)


def _finish(network: TrackNetwork, corpus: Corpus) -> None:
    """Set what is not learned by gradients: centre, standardisation, descriptor map, share."""
    every = max(1, len(corpus.images) // 400)  # a few hundred tracks fix a mean
    embeddings, _ = embed_segments(network, corpus.images[::every])
    network.learned_centre.copy_(embeddings.mean(1).mean(0))
    fitted = fit_descriptor_map(corpus.descriptors, corpus.styles, network.shape.described)
    network.descriptor_mean.copy_(torch.from_numpy(fitted.mean))
    network.descriptor_deviation.copy_(torch.from_numpy(fitted.deviation))
    network.descriptor_map.copy_(torch.from_numpy(fitted.matrix))
    network.learned_share.fill_(LEARNED_SHARE)
    calibrate(network, corpus.images[:: max(1, len(corpus.images) // CALIBRATED_TRACKS)])


def measure(network: TrackNetwork, corpus: Corpus) -> dict[str, float]:
    """Return how well the network does on a corpus: same-style precision, family accuracy, precision and recall.

    Precision@1 counts how often a track's nearest other track is of its style.
    """
    embeddings, probabilities = embed_segments(network, corpus.images)
    learned = torch.stack([network.place_learned(track) for track in embeddings])
    described = network.place_described(torch.from_numpy(corpus.descriptors))
    guess = probabilities.argmax(-1).numpy()
    hits = np.array([[np.sum((guess == c) & (corpus.families == c))] for c in range(len(FAMILY_NAMES))]).ravel()
    guessed = np.bincount(guess, minlength=len(FAMILY_NAMES))
    actual = np.bincount(corpus.families, minlength=len(FAMILY_NAMES))
    return {
        "style_precision@1": _nearest_shares_style(network.combine(learned, described), corpus.styles),
        "style_precision@1_learned": _nearest_shares_style(learned, corpus.styles),
        "style_precision@1_described": _nearest_shares_style(described, corpus.styles),
        "family_accuracy": float(hits.sum() / actual.sum()),
        "family_precision": float(np.mean(hits / np.maximum(guessed, 1))),
        "family_recall": float(np.mean(hits / np.maximum(actual, 1))),
    }


def _nearest_shares_style(vectors: Tensor, styles: NDArray[np.int64]) -> float:
    similarity = vectors @ vectors.T
    similarity.fill_diagonal_(-torch.inf)
    return float(np.mean(styles[similarity.argmax(-1).numpy()] == styles))
