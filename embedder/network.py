"""The networks: log-mel images in, a place in the space of sounds and a class distribution out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedder.features.descriptors import N_DESCRIPTORS
from embedder.network_shape import Architecture, NetworkShape
from embedder.placing import FURTHEST_DEVIATIONS


class SegmentOutput(NamedTuple):
    """What a network says of each segment."""

    embedding: Tensor
    """(segments, dimension)"""
    logits: Tensor
    """(segments, classes)"""


class LightNet(nn.Module):
    """Five strided convolutions, 0.17 GMAC and 0.7 M parameters: 1.3 to 3 ms per image on one CPU core, in 8 bits.

    Pooling is over time alone, mean and maximum: where on the frequency axis something sounds is half of timbre.
    """

    CHANNELS = (24, 48, 96, 160, 256)
    _BANDS_LEFT = 8

    def __init__(self, dimension: int, classes: int, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for i, wide in enumerate(channels):
            size = 5 if i == 0 else 3
            layers += [
                nn.Conv2d(width, wide, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
            ]
            width = wide
        self.convolutions = nn.Sequential(*layers)
        self.reduce = nn.Conv2d(width, 64, 1)
        self.dropout = nn.Dropout(0.2)
        self.embed = nn.Linear(2 * 64 * self._BANDS_LEFT, dimension)
        self.classify = nn.Linear(2 * 64 * self._BANDS_LEFT, classes)
        # Set by `training.calibration`; zeros say that nobody has.
        self.register_buffer("activation_tops", torch.zeros(len(self.CHANNELS)))

    def heard(self, images: Tensor) -> Tensor:
        """Return what `embed` and `classify` read, (segments, components), of images (segments, 3, 256, 256)."""
        maps = functional.relu(self.reduce(self.convolutions(images - 0.4)))
        return torch.cat((maps.mean(-1), maps.amax(-1)), dim=1).flatten(1)

    def forward(self, images: Tensor) -> SegmentOutput:
        """Take images of shape (segments, 3, 256, 256), values 0 to 1."""
        return self.answer(self.heard(images))

    def answer(self, heard: Tensor) -> SegmentOutput:
        """Say what `heard` means."""
        pooled = self.dropout(heard)
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

    def heard(self, images: Tensor) -> Tensor:
        """Return what `embed` and `classify` read, (segments, 1000), of images (segments, 3, 256, 256)."""
        dense: Tensor = self.dense(self.convolutions(images - 0.4).flatten(1))
        return dense

    def forward(self, images: Tensor) -> SegmentOutput:
        """Take images of shape (segments, 3, 256, 256), values 0 to 1."""
        return self.answer(self.heard(images))

    def answer(self, heard: Tensor) -> SegmentOutput:
        """Say what `heard` means."""
        return SegmentOutput(self.embed(heard), self.classify(heard))


class PatchTransformer(nn.Module):
    """Attention over patches of the image, 1.2 M parameters and 0.17 GMAC.

    A patch is 32 bands by 16 frames of all three channels: 8 × 16 of them, each with a learned place.  What is read of
    them is their mean and maximum over time, as the light network pools.

    Source: Gong et al. 2021, "AST: audio spectrogram transformer", narrower and with fewer layers.
    """

    WIDTH = 128
    _LAYERS = 4
    _HEADS = 4
    _PATCH = (32, 16)

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        rows, columns = 256 // self._PATCH[0], 256 // self._PATCH[1]
        self.patches = nn.Conv2d(3, self.WIDTH, self._PATCH, stride=self._PATCH)
        self.places = nn.Parameter(0.02 * torch.randn(1, rows * columns, self.WIDTH))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                self.WIDTH,
                self._HEADS,
                4 * self.WIDTH,
                dropout=0.1,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(self._LAYERS)
        )
        self.norm = nn.LayerNorm(self.WIDTH)
        self.reduce = nn.Linear(self.WIDTH, 64)
        self.dropout = nn.Dropout(0.2)
        self.embed = nn.Linear(2 * 64 * rows, dimension)
        self.classify = nn.Linear(2 * 64 * rows, classes)

    def heard(self, images: Tensor) -> Tensor:
        """Return what `embed` and `classify` read, (segments, 1024), of images (segments, 3, 256, 256)."""
        patches = self.patches(images - 0.4)
        rows = patches.shape[2]
        words = patches.flatten(2).transpose(1, 2) + self.places
        for layer in self.layers:
            words = layer(words)
        maps = functional.relu(self.reduce(self.norm(words))).unflatten(1, (rows, -1))
        return torch.cat((maps.mean(2), maps.amax(2)), dim=-1).flatten(1)

    def forward(self, images: Tensor) -> SegmentOutput:
        """Take images of shape (segments, 3, 256, 256), values 0 to 1."""
        return self.answer(self.heard(images))

    def answer(self, heard: Tensor) -> SegmentOutput:
        """Say what `heard` means."""
        pooled = self.dropout(heard)
        return SegmentOutput(self.embed(pooled), self.classify(pooled))


SegmentModule = LightNet | AlexNet | PatchTransformer
NETWORKS: dict[Architecture, type[SegmentModule]] = {
    "light": LightNet,
    "alexnet": AlexNet,
    "transformer": PatchTransformer,
}


class TrackNetwork(nn.Module):
    """A segment network, and beside it a linear map of the descriptors; together they place a track."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.segments: SegmentModule = NETWORKS[shape.architecture](shape.learned, shape.classes)
        self.register_buffer("descriptor_mean", torch.zeros(N_DESCRIPTORS))
        self.register_buffer("descriptor_deviation", torch.ones(N_DESCRIPTORS))
        self.register_buffer("descriptor_map", torch.eye(shape.described, N_DESCRIPTORS))
        self.register_buffer("learned_centre", torch.zeros(shape.learned))
        self.register_buffer("learned_share", torch.tensor(0.5))

    def standardise(self, descriptors: Tensor) -> Tensor:
        """Return descriptors (..., N_DESCRIPTORS) in deviations from what training heard, clipped."""
        deviations = (descriptors - self.descriptor_mean) / self.descriptor_deviation
        return deviations.clamp(-FURTHEST_DEVIATIONS, FURTHEST_DEVIATIONS)

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
