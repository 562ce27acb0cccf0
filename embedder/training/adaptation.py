"""Weights adapted to a catalogue of which nothing is known but how it sounds.

Two segments of one track sound like one thing, whatever differs between them; so what varies within tracks of this
catalogue should count little in its vectors.

1. The catalogue sets the standard deviations of the descriptors, and the covariance of the segments of one track
   whitens what the descriptor map makes of them.  What that map learned from synthesised styles stays below it.
2. On request, contrastive epochs: a segment should find the other of its track among those of a batch, both changed,
   and still be of the classes that it was of.
3. What the convolutions hear of a segment goes through a new last layer: again what varies within a track is whitened,
   and the strongest directions of the rest are kept.  Centre and share follow.

Nothing but step 2 has a gradient: the first and the third are solved for, in seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from embedder.network import TrackNetwork
from embedder.training.calibration import calibrate
from embedder.training.catalogue import Catalogue
from embedder.training.checkpoint import TrainingCheckpoint
from embedder.training.contrastive import same_style_loss
from embedder.training.placing import heard_segments, mean_of_tracks
from embedder.training.trainer import FAMILY_WEIGHT, EpochReport, pace, reduced_precision
from embedder.training.views import view
from embedder.training.within_class import within_class_map

SHRINKAGE = 0.5
"""Of both covariances within tracks: a few hundred tracks are few for a thousand directions."""
LEARNED_SHARE = 0.5
_CALIBRATED_SEGMENTS = 192


@dataclass(frozen=True, slots=True)
class AdaptationSettings:
    """How weights are adapted."""

    seed: int = 1
    epochs: int = 0
    """Contrastive passes over all tracks; 0 leaves the convolutions as they are."""
    tracks_per_batch: int = 32
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2


def adapt(
    network: TrackNetwork,
    catalogue: Catalogue,
    settings: AdaptationSettings,
    folder: Path,
    *,
    model_version: str,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    heard: NDArray[np.float32] | None = None,
) -> TrackNetwork:
    """Adapt a network, in place, going on from the newest checkpoint in `folder` where there is one.

    Each epoch's draws depend on the seed and the epoch alone, so a resumed run ends as an unbroken one would have.

    Args:
        network: the weights to begin with.
        catalogue: tracks.
        settings: how.
        folder: of the checkpoint, where there are epochs.
        model_version: of the weights to begin with; a checkpoint of others is refused.
        on_epoch: called after each epoch.
        heard: of `heard_segments`, where there are no epochs and it is known.

    Raises:
        Incompatible: the checkpoint in `folder` was made with other settings, weights or tracks.
    """
    if settings.epochs:
        identity = {"from": model_version, "tracks": list(catalogue.names), "settings": asdict(settings)}
        _contrast(network, catalogue, settings, TrainingCheckpoint(folder, identity), on_epoch)
        calibrate(network, catalogue.images[:: max(1, len(catalogue.images) // _CALIBRATED_SEGMENTS), np.newaxis])
    network.eval()
    _fit_descriptors(network, catalogue)
    _fit_last_layer(network, catalogue, heard_segments(network, catalogue.images) if heard is None else heard)
    network.learned_share.fill_(LEARNED_SHARE)
    return network


def _contrast(
    network: TrackNetwork,
    catalogue: Catalogue,
    settings: AdaptationSettings,
    checkpoint: TrainingCheckpoint,
    on_epoch: Callable[[EpochReport], None],
) -> None:
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.segments.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = max(1, len(catalogue.names) // settings.tracks_per_batch)
    classes = _classes(network, catalogue)
    for epoch in range(checkpoint.restore(network, optimiser), settings.epochs):
        torch.manual_seed(settings.seed * 1_000_003 + epoch)
        network.train()
        losses = []
        for number, (images, rows) in enumerate(_batches(catalogue, settings, epoch)):
            progress = (epoch * steps + number + 0.5) / (settings.epochs * steps)
            optimiser.param_groups[0]["lr"] = settings.learning_rate * pace(progress)
            with reduced_precision():
                embedding, logits = network.segments(images)
            loss = same_style_loss(embedding, torch.from_numpy(catalogue.track_of[rows]))
            loss = loss + FAMILY_WEIGHT * functional.cross_entropy(logits.float(), classes[rows])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        checkpoint.write(network, optimiser, epoch + 1)
        on_epoch(EpochReport(epoch + 1, settings.epochs, float(np.mean(losses))))


def _batches(
    catalogue: Catalogue, settings: AdaptationSettings, epoch: int
) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
    """Yield views of two segments of each of `tracks_per_batch` tracks, and the place of each segment."""
    rng = np.random.default_rng([settings.seed, epoch])
    generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
    starts = np.searchsorted(catalogue.track_of, np.arange(len(catalogue.names)))
    counts = np.bincount(catalogue.track_of)
    order = rng.permutation(len(counts))
    size = min(settings.tracks_per_batch, len(order))
    for first in range(0, len(order) - size + 1, size):
        chosen = order[first : first + size]
        rows = np.concatenate([starts[track] + rng.choice(counts[track], 2, replace=False) for track in chosen])
        images = torch.from_numpy(catalogue.images[rows]).float().div_(255)
        yield view(images, generator).contiguous(memory_format=torch.channels_last), rows


def _classes(network: TrackNetwork, catalogue: Catalogue) -> Tensor:
    """Return the class distribution of each segment, (segments, classes)."""
    with torch.no_grad():
        logits = network.segments.classify(torch.from_numpy(heard_segments(network, catalogue.images)))
        return logits.softmax(-1)


def _fit_descriptors(network: TrackNetwork, catalogue: Catalogue) -> None:
    deviation = catalogue.descriptors.std(0)
    # What no track of the catalogue varies in is as far from the mean as it was.
    kept = network.descriptor_deviation.numpy()
    network.descriptor_mean.copy_(torch.from_numpy(catalogue.descriptors.mean(0)))
    network.descriptor_deviation.copy_(torch.from_numpy(np.where(deviation > 1e-3 * kept, deviation, kept)))
    matrix = network.descriptor_map.numpy().astype(np.float64)
    placed = network.standardise(torch.from_numpy(catalogue.segment_descriptors)).numpy() @ matrix.T
    whiten = within_class_map(placed, catalogue.track_of, len(matrix), SHRINKAGE)
    network.descriptor_map.copy_(torch.from_numpy(whiten @ matrix))


def _fit_last_layer(network: TrackNetwork, catalogue: Catalogue, heard: NDArray[np.floating]) -> None:
    heard = heard.astype(np.float64)
    matrix = within_class_map(heard, catalogue.track_of, network.shape.learned, SHRINKAGE)
    embed = network.segments.embed
    with torch.no_grad():
        embed.weight.copy_(torch.from_numpy(matrix))
        embed.bias.copy_(torch.from_numpy(-matrix @ heard.mean(0)))
    embedding = torch.from_numpy((heard - heard.mean(0)) @ matrix.T)
    network.learned_centre.copy_(mean_of_tracks(functional.normalize(embedding, dim=-1), catalogue).mean(0))
