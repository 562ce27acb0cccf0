"""The networks: log-mel images in, a place in the space of sounds and a class distribution out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedder.features.descriptors import N_DESCRIPTORS
from embedder.network_shape import NetworkShape

_FURTHEST_DEVIATIONS = 4.0
"""A descriptor outside this many deviations of what training heard says "very much so", and no more."""


class SegmentOutput(NamedTuple):
    """What a network says of each segment."""

    embedding: Tensor
    """(segments, dimension)"""
    logits: Tensor
    """(segments, classes)"""


class LightNet(nn.Module):
    """Five strided convolutions, 0.17 GMAC and 1.1 M parameters: about 4 ms per image on one CPU core.

    Pooling is over time alone, mean and maximum: where on the frequency axis something sounds is half of timbre.
    """

    CHANNELS = (24, 48, 96, 160, 256)
    _BANDS_LEFT = 8

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for i, channels in enumerate(self.CHANNELS):
            size = 5 if i == 0 else 3
            layers += [
                nn.Conv2d(width, channels, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            width = channels
        self.convolutions = nn.Sequential(*layers)
        self.reduce = nn.Conv2d(width, 64, 1)
        self.dropout = nn.Dropout(0.2)
        self.embed = nn.Linear(2 * 64 * self._BANDS_LEFT, dimension)
        self.classify = nn.Linear(2 * 64 * self._BANDS_LEFT, classes)
        # Set by `training.calibration`; zeros say that nobody has.
        self.register_buffer("activation_tops", torch.zeros(len(self.CHANNELS)))

    def forward(self, images: Tensor) -> SegmentOutput:
        """Take images of shape (segments, 3, 256, 256), values 0 to 1."""
        maps = functional.relu(self.reduce(self.convolutions(images - 0.4)))
        pooled = self.dropout(torch.cat((maps.mean(-1), maps.amax(-1)), dim=1).flatten(1))
        return SegmentOutput(self.embed(pooled), self.classify(pooled))


class AlexNet(nn.Module):
    """The published reference: five convolutions with response normalisation, then 4096, 1000 and the classes.

    Source: Krizhevsky et al. 2012, with the layer sizes of the music-genre paper (96@11×11/4, 256@5×5, 384, 384,
    256@3×3, 4096-1000-classes).
    """

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(96, 256, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.dense = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 1000),
            nn.ReLU(inplace=True),
        )
        self.embed = nn.Linear(1000, dimension)
        self.classify = nn.Linear(1000, classes)

    def forward(self, images: Tensor) -> SegmentOutput:
        """Take images of shape (segments, 3, 256, 256), values 0 to 1."""
        dense = self.dense(self.convolutions(images - 0.4).flatten(1))
        return SegmentOutput(self.embed(dense), self.classify(dense))


class TrackNetwork(nn.Module):
    """A segment network, and beside it a linear map of the descriptors; together they place a track."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        kind = {"light": LightNet, "alexnet": AlexNet}[shape.architecture]
        self.segments: nn.Module = kind(shape.learned, shape.classes)
        self.register_buffer("descriptor_mean", torch.zeros(N_DESCRIPTORS))
        self.register_buffer("descriptor_deviation", torch.ones(N_DESCRIPTORS))
        self.register_buffer("descriptor_map", torch.eye(shape.described, N_DESCRIPTORS))
        self.register_buffer("learned_centre", torch.zeros(shape.learned))
        self.register_buffer("learned_share", torch.tensor(0.5))

    def standardise(self, descriptors: Tensor) -> Tensor:
        """Return descriptors (..., N_DESCRIPTORS) in deviations from what training heard, clipped."""
        deviations = (descriptors - self.descriptor_mean) / self.descriptor_deviation
        return deviations.clamp(-_FURTHEST_DEVIATIONS, _FURTHEST_DEVIATIONS)

    def place_learned(self, embedding: Tensor) -> Tensor:
        """Return the learned part of one track: mean of its unit segment vectors (segments, learned), centred, unit."""
        mean = functional.normalize(embedding, dim=-1).mean(dim=0)
        return functional.normalize(mean - self.learned_centre, dim=-1)

    def place_described(self, descriptors: Tensor) -> Tensor:
        """Return the described part of one track or several, unit length."""
        return functional.normalize(self.standardise(descriptors) @ self.descriptor_map.T, dim=-1)

    def combine(self, learned: Tensor, described: Tensor) -> Tensor:
        """Return the unit vector whose inner product is the weighted mean of those of its two parts."""
        share = self.learned_share
        return functional.normalize(torch.cat((share.sqrt() * learned, (1 - share).sqrt() * described), dim=-1), dim=-1)
