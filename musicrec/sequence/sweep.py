"""What the settings and inputs of a session encoder are worth: one training per choice, all on the same sessions."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from musicrec.sequence.contexts import UNKNOWN_CONTEXT, context_of, was_skipped
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.placing import artist_vectors, numbered_artists
from musicrec.sequence.served_network import served_network
from musicrec.sequence.trainer import Trained, TrainingSettings, measure, train
from musicrec.sequence.training_sessions import LONGEST, NextTrackCases, TrainingSessions

SESSION: Final = 20
"""Tracks of the session that is timed."""
TIMES: Final = 500


class Inputs(StrEnum):
    """What an encoder is given of each play."""

    ALL = "all"
    NO_GAPS = "without gaps"
    NO_SKIPS = "without skipped plays and gaps"
    NO_ARTISTS = "without artists"

    def of(self, session: HeardSession) -> HeardSession:
        """Return a session as an encoder with these inputs reads it."""
        if self is Inputs.NO_GAPS:
            return session._replace(contexts=[context_of(bool(was_skipped(each)), 0) for each in session.contexts])
        if self is Inputs.NO_SKIPS:
            plays = zip(session.tracks, session.contexts, strict=True)
            kept = [track for track, context in plays if not was_skipped(context)]
            return session._replace(tracks=kept, contexts=[UNKNOWN_CONTEXT] * len(kept))
        return session


@dataclass(frozen=True, slots=True)
class Choice:
    """One training of a sweep."""

    settings: TrainingSettings
    inputs: Inputs = Inputs.ALL

    @property
    def name(self) -> str:
        """A name that no other choice has, fit for a file."""
        return hashlib.sha256(json.dumps([asdict(self.settings), self.inputs]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a choice came to.

    Attributes:
        figures: hr@20 and mrr@20 on held-out plays, and how many these are: cases.
        direction_us: median of one session of 20 tracks, served, in microseconds.
    """

    figures: Mapping[str, float]
    direction_us: float


def grid(base: TrainingSettings, dimensions: Sequence[int], learning_rates: Sequence[float]) -> list[Choice]:
    """Return every dimension with every learning rate."""
    return [
        Choice(replace(base, dimension=dimension, learning_rate=rate))
        for dimension in dimensions
        for rate in learning_rates
    ]


def swept(
    choice: Choice, learned: Sequence[HeardSession], held_out: Sequence[HeardSession], artist_of: Mapping[str, str],
    work: Path,
) -> Swept:  # fmt: skip
    """Train once and measure on held-out sessions; tracks that training did not see are placed by their artists.

    Args:
        choice: what is tried.
        learned: sessions to train on.
        held_out: later ones.
        artist_of: artist by track id.
        work: folder of checkpoints and of what was found: what was done before, on this data, is not done again.
    """
    name = f"{choice.name}-{_digest(learned, held_out, artist_of)}"
    found = work / f"{name}.json"
    if found.exists():
        return Swept(**json.loads(found.read_text(encoding="utf-8")))
    training = TrainingSessions.of(map(choice.inputs.of, learned))
    trained = train(training, None, choice.settings, work / name, lambda report: None)
    known = {} if choice.inputs is Inputs.NO_ARTISTS else artist_of
    track_ids, vectors = _with_placed(trained, training, held_out, known)
    figures = _figures(trained, choice, held_out, track_ids, vectors)
    result = Swept(figures, round(_direction_us(trained, choice.settings), 1))
    work.mkdir(parents=True, exist_ok=True)
    found.write_text(json.dumps(asdict(result)), encoding="utf-8")
    return result


def _digest(learned: Sequence[HeardSession], held_out: Sequence[HeardSession], artist_of: Mapping[str, str]) -> str:
    """Return a name of the data: what was found on other data says nothing."""
    data = hashlib.sha256(json.dumps([learned, held_out, artist_of]).encode())
    return data.hexdigest()[:16]


def _figures(
    trained: Trained, choice: Choice, held_out: Sequence[HeardSession], track_ids: Sequence[str], vectors: Tensor
) -> dict[str, float]:
    """Return hit rate and reciprocal rank over all held-out plays that were not skipped; who cannot answer, misses."""
    asked = sum(not was_skipped(context) for session in held_out for context in session.contexts[1:])
    random = np.random.default_rng(choice.settings.seed)
    cases = NextTrackCases.of(map(choice.inputs.of, held_out), track_ids, asked, random)
    answered = measure(trained, cases, vectors)
    share = len(cases.targets) / max(1, asked)
    return {"hr@20": answered["hr@20"] * share, "mrr@20": answered["mrr@20"] * share, "cases": asked}


def _with_placed(
    trained: Trained, training: TrainingSessions, held_out: Sequence[HeardSession], artist_of: Mapping[str, str]
) -> tuple[list[str], Tensor]:
    """Return ids and vectors of the trained tracks and, behind them, of the others that an artist places."""
    artist_ids, of_track = numbered_artists(trained.track_ids, artist_of)
    vectors = trained.unit_vectors.numpy()
    artists = artist_vectors(vectors, of_track, training.plays, len(artist_ids))
    row_of = {artist: row for row, artist in enumerate(artist_ids)}
    trained_ids = set(trained.track_ids)
    placed = {
        track: row_of[artist_of[track]]
        for session in held_out
        for track in session.tracks
        if track not in trained_ids and artist_of.get(track) in row_of
    }
    rows = np.array(list(placed.values()), np.int64)
    return [*trained.track_ids, *placed], torch.from_numpy(np.concatenate([vectors, artists[rows]]))


def _direction_us(trained: Trained, settings: TrainingSettings) -> float:
    tensors = {name: tensor.numpy() for name, tensor in trained.network.state_dict().items()}
    network = served_network(settings.model, tensors, settings.dimension, LONGEST)
    places = np.random.default_rng(settings.seed).normal(size=(SESSION, settings.dimension)).astype(np.float32)
    took_s = []
    for _ in range(TIMES):
        read = places.copy()
        started_s = time.perf_counter()
        network.direction(read)
        took_s.append(time.perf_counter() - started_s)
    return float(np.median(took_s)) * 1e6
