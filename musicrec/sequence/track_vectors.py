"""Vectors of tracks under training: each step changes those of its batch alone, each at a pace of its own."""

from typing import Final

import torch
from torch import Tensor

FIRST_SQUARE: Final = 1e-8
"""Keeps the first step of a track finite."""


class TrackVectors:
    """One vector per track, and AdaGrad that keeps one number per track.

    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 2011; one accumulator per row as in large
    embedding tables: rare tracks go on moving where frequent ones have settled.

    Attributes:
        vectors: float32, shape (tracks, dimension).
        squares: float32, shape (tracks,), sums of mean squared gradients.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        self.squares = torch.zeros(len(vectors))

    def taken(self, tracks: Tensor) -> Tensor:
        """Return the vectors of `tracks`, each once, to be trained."""
        return self.vectors[tracks].requires_grad_()

    def step(self, tracks: Tensor, gradient: Tensor, pace: float) -> None:
        """Move the vectors of `tracks` against their gradient, which is what `taken` got."""
        self.squares[tracks] += gradient.square().mean(dim=1)
        self.vectors[tracks] -= pace * gradient / (self.squares[tracks].sqrt() + FIRST_SQUARE)[:, None]
