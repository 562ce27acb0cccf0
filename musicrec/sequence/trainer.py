"""Training: every place of every session against its next track and thousands of others, resumable after any epoch.

Source of the loss: Hidasi, Czapp, "The effect of third party implementations on reproducibility", RecSys 2023 (sampled
softmax, negatives by a power of their plays, logQ correction).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from musicrec.errors import BadInput
from musicrec.evaluation.metrics import LIST_LENGTH, HitCounter
from musicrec.sequence.checkpoint import Checkpoint
from musicrec.sequence.contexts import was_skipped
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.initial_vectors import initial_vectors
from musicrec.sequence.model import Model
from musicrec.sequence.network import SequenceNetwork
from musicrec.sequence.track_vectors import TrackVectors
from musicrec.sequence.training_sessions import Batch, NextTrackCases, TrainingSessions

RISE: Final = 0.03
"""Share of all steps in which the pace rises; then half a cosine down."""
SLOWEST: Final = 0.02
CASES: Final = 20_000
"""Places of held-out sessions that are measured on: figures are good to half a percent of a hit."""
CASES_AT_ONCE: Final = 256
NEXT_TO_IMPOSSIBLE: Final = -1e9


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How an encoder is trained; the defaults were chosen on held-out #nowplaying sessions."""

    model: Model = Model.ATTENTION
    dimension: int = 192
    blocks: int = 1
    heads: int = 2
    dropout: float = 0.3
    epochs: int = 3
    learning_rate: float = 2e-3
    vector_pace: float = 0.05
    """Step of the tracks' vectors, by AdaGrad."""
    negatives: int = 2_048
    """Tracks drawn per batch, which all its places have in common."""
    negative_power: float = 0.5
    """Of a track's plays: 0 draws all alike, 1 as they are played."""
    places: int = 2_048
    """Of a batch."""
    weight_decay: float = 1e-3
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            BadInput: names the setting.
        """
        if self.dimension % self.heads:
            raise BadInput(
                f"dimension: {self.dimension}; it is shared out among {self.heads} heads, so a multiple of that"
            )


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What an epoch came to."""

    epoch: int
    epochs: int
    loss: float
    held_out: dict[str, float]
    """Hit rate and reciprocal rank on sessions that training does not see; empty without any."""


class Trained:
    """A network and the vectors of the tracks it knows."""

    def __init__(self, training: TrainingSessions, settings: TrainingSettings) -> None:
        """Begin with what is known without training."""
        torch.manual_seed(settings.seed)
        self.track_ids = training.track_ids
        self.network = SequenceNetwork(
            settings.model, settings.dimension, settings.blocks, settings.heads, settings.dropout
        )
        first = initial_vectors(training, settings.dimension, settings.seed)
        self.tracks = TrackVectors(torch.from_numpy(first))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )

    @property
    def unit_vectors(self) -> Tensor:
        """Vectors of unit length, float32, shape (tracks, dimension)."""
        return functional.normalize(self.tracks.vectors, dim=1)


def train(
    training: TrainingSessions,
    held_out: NextTrackCases | None,
    settings: TrainingSettings,
    work: Path,
    on_epoch: Callable[[EpochReport], None],
) -> Trained:
    """Train an encoder, going on from the checkpoint in `work` where there is one.

    Each epoch's draws depend on the seed and the epoch alone, so a resumed run sees what an unbroken one would have.

    Raises:
        Incompatible: the checkpoint in `work` was made with other settings or of other sessions.
    """
    trained = Trained(training, settings)
    checkpoint = Checkpoint(work, training, settings)
    step = _Step(trained, training, settings)
    for epoch in range(checkpoint.restore(trained), settings.epochs):
        loss = step.epoch(epoch)
        checkpoint.write(trained, epoch + 1)
        figures = measure(trained, held_out) if held_out is not None else {}
        on_epoch(EpochReport(epoch + 1, settings.epochs, loss, figures))
    trained.network.eval()
    return trained


def cases_of(held_out: Iterable[HeardSession], track_ids: Sequence[str], seed: int) -> NextTrackCases:
    """Return what is measured on held-out sessions, of tracks that have vectors."""
    return NextTrackCases.of(held_out, track_ids, CASES, np.random.default_rng(seed))


@torch.no_grad()  # type: ignore[untyped-decorator]
def measure(trained: Trained, cases: NextTrackCases, vectors: Tensor | None = None) -> dict[str, float]:
    """Return hit rate and reciprocal rank at 20 over all tracks, the session's own included, ties against us.

    Args:
        trained: the encoder.
        cases: what is asked.
        vectors: float32, shape (tracks, dimension), unit length, of all tracks that cases know, where these are more
            than were trained.
    """
    trained.network.eval()
    vectors, counter = trained.unit_vectors if vectors is None else vectors, HitCounter()
    for first in range(0, len(cases.targets), CASES_AT_ONCE):
        sessions = cases.sessions[first : first + CASES_AT_ONCE]
        contexts = cases.contexts[first : first + CASES_AT_ONCE]
        targets = torch.from_numpy(cases.targets[first : first + CASES_AT_ONCE])
        cosines = _directions(trained, vectors, sessions, contexts) @ vectors.T
        of_target = cosines.gather(1, targets.clamp(min=0)[:, None])
        for rank, target in zip((cosines >= of_target).sum(1).tolist(), targets.tolist(), strict=True):
            counter.count(rank if target >= 0 and rank <= LIST_LENGTH else 0)
    return counter.figures()


def _directions(
    trained: Trained, vectors: Tensor, sessions: Sequence[NDArray[np.int64]], contexts: Sequence[NDArray[np.int64]]
) -> Tensor:
    newest = torch.tensor([len(session) for session in sessions]) - 1
    rows, heard = (
        pad_sequence([torch.from_numpy(each) for each in of], batch_first=True) for of in (sessions, contexts)
    )
    out: Tensor = trained.network(vectors[rows], heard)[torch.arange(len(sessions)), newest]
    return out


class _Step:
    """Steps over batches of one training."""

    def __init__(self, trained: Trained, training: TrainingSessions, settings: TrainingSettings) -> None:
        self._trained, self._training, self._settings = trained, training, settings
        chance = torch.from_numpy(training.plays.astype(np.float64) ** settings.negative_power)
        chance /= chance.sum()
        self._drawn_up_to = chance.cumsum(0)
        self._log_chance = chance.log().float()

    def epoch(self, epoch: int) -> float:
        """Go through all sessions once; return the mean loss of a place."""
        settings = self._settings
        torch.manual_seed(settings.seed * 1_000_003 + epoch)
        self._trained.network.train()
        batches = self._training.batches(settings.places, np.random.default_rng([settings.seed, epoch]))
        total, places = 0.0, 0
        for number, batch in enumerate(batches):
            progress = (epoch + (number + 0.5) / len(batches)) / settings.epochs
            loss, count = self._step(batch, _pace(progress))
            total, places = total + loss * count, places + count
        return total / max(1, places)

    def _step(self, batch: Batch, pace: float) -> tuple[float, int]:
        trained, settings = self._trained, self._settings
        sessions, contexts = torch.from_numpy(batch.tracks), torch.from_numpy(batch.contexts)
        before, after = sessions[:, :-1], sessions[:, 1:]
        # A skip says what was not wanted; what it was turned away for comes at its own place.
        is_place = (after >= 0) & ~was_skipped(contexts[:, 1:])
        if not is_place.any():
            return 0.0, 0
        targets, negatives = after[is_place], self._negatives()
        read = before.clamp(min=0)
        tracks, rows = torch.unique(torch.cat([read.reshape(-1), targets, negatives]), return_inverse=True)
        of_read, of_targets, of_negatives = rows.split([read.numel(), len(targets), len(negatives)])
        vectors = trained.tracks.taken(tracks)
        unit = functional.normalize(vectors, dim=1)
        directions = trained.network(unit[of_read.view(read.shape)], contexts[:, :-1])[is_place]
        scale = trained.network.log_scale.exp()
        right = scale * (directions * unit[of_targets]).sum(1) - self._log_chance[targets]
        wrong = scale * (directions @ unit[of_negatives].T) - self._log_chance[negatives]
        wrong = wrong.masked_fill(negatives[None, :] == targets[:, None], NEXT_TO_IMPOSSIBLE)
        loss = (torch.cat([right[:, None], wrong], dim=1).logsumexp(1) - right).mean()
        trained.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.network.parameters(), 1.0)
        trained.optimiser.param_groups[0]["lr"] = settings.learning_rate * pace
        trained.optimiser.step()
        if vectors.grad is not None:
            with torch.no_grad():
                trained.tracks.step(tracks, vectors.grad, settings.vector_pace * pace)
        return float(loss.detach()), len(targets)

    def _negatives(self) -> Tensor:
        drawn = torch.searchsorted(self._drawn_up_to, torch.rand(self._settings.negatives, dtype=torch.float64))
        return drawn.clamp(max=len(self._log_chance) - 1)


def _pace(progress: float) -> float:
    """Return the share of the full pace after a share of all steps."""
    if progress < RISE:
        return progress / RISE
    return max(SLOWEST, 0.5 + 0.5 * math.cos(math.pi * (progress - RISE) / (1 - RISE)))
