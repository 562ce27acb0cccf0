"""Vectors taught what is listened to together, so that a track that nobody has played lies near its company to be.

Both parts of a vector get a square map on top, which begins as the identity and is drawn back to it.  A track should
find those of its sessions among all tracks, in proportion to their positive pointwise mutual information.  The maps are
folded into the last layer and into the descriptor map: what serves the vectors needs to know nothing of them.

Sources: Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization", for the weights; van den Oord
et al. 2013, "Deep content-based music recommendation", for the idea.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from embedder.network import TrackNetwork
from embedder.training.catalogue import Catalogue
from embedder.training.placing import heard_segments, mean_of_tracks
from musicrec.errors import BadInput

TEMPERATURE = 0.1
LEAST_SESSIONS = 2
"""Once together is chance."""


@dataclass(frozen=True, slots=True)
class TeachingSettings:
    """How vectors are taught."""

    seed: int = 1
    steps: int = 150
    tracks_per_batch: int = 512
    learning_rate: float = 3e-3
    to_identity: float = 0.3
    """Weight of the mean squared distance of each row of the maps from the identity's."""


def company(
    sessions: Iterable[Sequence[str]], tracks: Sequence[str], least: int = LEAST_SESSIONS
) -> NDArray[np.float32]:
    """Return how much more often two tracks share a session than chance has it: log of the lift, 0 where no more.

    Args:
        sessions: track ids of each; others than `tracks` are passed over.
        tracks: rows and columns of the result.
        least: sessions that a pair shares, or it counts as none.

    Returns:
        Shape (tracks, tracks), non-negative, symmetric, zero on the diagonal.
    """
    row_of = {track: row for row, track in enumerate(tracks)}
    together: Counter[tuple[int, int]] = Counter()
    alone = np.zeros(len(tracks))
    number = 0
    for session in sessions:
        rows = sorted({row_of[track] for track in session if track in row_of})
        alone[rows] += 1
        together.update(combinations(rows, 2))
        number += bool(rows)
    found = np.zeros((len(tracks), len(tracks)), np.float32)
    for (one, other), shared in together.items():
        if shared >= least:
            found[one, other] = found[other, one] = max(0.0, np.log(shared * number / (alone[one] * alone[other])))
    return found


def teach(
    network: TrackNetwork,
    catalogue: Catalogue,
    together: NDArray[np.float32],
    settings: TeachingSettings,
    heard: NDArray[np.float32] | None = None,
) -> TrackNetwork:
    """Teach a network, in place, and return it; seconds for a thousand tracks.

    Args:
        network: weights to begin with.
        catalogue: tracks.
        together: of `company`, rows and columns as the catalogue has its tracks.
        settings: how.
        heard: of `heard_segments`, where it is known.

    Raises:
        BadInput: no two tracks of the catalogue share sessions.
    """
    if not together.any():
        raise BadInput("no two tracks of the catalogue share two sessions of the log; is the table of files right?")
    if heard is None:
        heard = heard_segments(network, catalogue.images)
    maps = _Maps(network, catalogue, torch.from_numpy(heard))
    optimiser = torch.optim.Adam(maps.parameters(), settings.learning_rate)
    rng = np.random.default_rng(settings.seed)
    has_company = np.flatnonzero(together.any(1))
    for _ in range(settings.steps):
        size = min(settings.tracks_per_batch, len(has_company))
        rows = np.sort(rng.choice(has_company, size, replace=False))
        loss = _loss(maps.similarity(rows), torch.from_numpy(together[np.ix_(rows, rows)]))
        loss = loss + settings.to_identity * maps.distance_from_identity()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    maps.fold()
    return network


def _loss(similarity: Tensor, together: Tensor) -> Tensor:
    """Cross-entropy of finding the company; a track whose company is not in the batch says nothing."""
    itself = torch.eye(len(similarity), dtype=torch.bool)
    log_share = torch.log_softmax((similarity / TEMPERATURE).masked_fill(itself, -torch.inf), dim=1)
    total = together.sum(1)
    each = -(log_share.masked_fill(itself, 0.0) * together).sum(1) / total.clamp(min=1e-6)
    return each[total > 0].mean()


class _Maps(nn.Module):
    """The maps on top of both parts, and how tracks lie through them: as `TrackNetwork` would place them."""

    def __init__(self, network: TrackNetwork, catalogue: Catalogue, heard: Tensor) -> None:
        super().__init__()
        self._network, self._catalogue = network, catalogue
        self.of_learned = nn.Parameter(torch.eye(network.shape.learned))
        self.of_described = nn.Parameter(torch.eye(network.shape.described))
        with torch.no_grad():
            self._embedding = network.segments.embed(heard)
            descriptors = network.standardise(torch.from_numpy(catalogue.descriptors))
            self._described = descriptors @ network.descriptor_map.T

    def _means(self) -> Tensor:
        segments = functional.normalize(self._embedding @ self.of_learned.T, dim=-1)
        return mean_of_tracks(segments, self._catalogue)

    def similarity(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the inner products of the vectors of tracks."""
        means = self._means()
        learned = functional.normalize((means - means.mean(0))[rows], dim=-1)
        described = functional.normalize(self._described[rows] @ self.of_described.T, dim=-1)
        share = self._network.learned_share
        return share * learned @ learned.T + (1 - share) * described @ described.T

    def distance_from_identity(self) -> Tensor:
        """Return the squared distance of both maps from the identity, per row."""
        parts = (self.of_learned, self.of_described)
        return torch.stack([(part - torch.eye(len(part))).square().sum() / len(part) for part in parts]).sum()

    def fold(self) -> None:
        """Put the maps into the network."""
        embed = self._network.segments.embed
        with torch.no_grad():
            self._network.learned_centre.copy_(self._means().mean(0))
            embed.bias.copy_(self.of_learned @ embed.bias)
            embed.weight.copy_(self.of_learned @ embed.weight)
            self._network.descriptor_map.copy_(self.of_described @ self._network.descriptor_map)
