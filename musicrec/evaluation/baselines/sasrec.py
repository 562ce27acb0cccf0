"""SASRec as a well-kept library has it, trained once on all sessions known at the first question, and then frozen.

Sources: Kang, McAuley, "Self-attentive sequential recommendation", ICDM 2018, by RePlay (replay-rec); softmax over many
sampled negatives in place of one: Petrov, Macdonald, "gSASRec", RecSys 2023; Wilm, Normann, Baumeister, Kobow, "Scaling
session-based transformer recommendations using optimized negative sampling and loss functions", RecSys 2023.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import Incompatible
from musicrec.evaluation.baselines.best_of import best_of
from musicrec.evaluation.play_memory import PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class SasRec:
    """RePlay's SASRec; a listener's plays, in text sessions one session, are a sequence.

    Attributes:
        dimension: of tracks and hidden states.
        heads: of attention.
        blocks: layers.
        dropout: share of inputs set to 0 in training.
        longest: newest plays of a sequence that are looked at.
        negatives: tracks drawn uniformly against which each batch is learned.
        batch: sequences.
        learning_rate: of Adam.
        epochs: passes over the sequences.
        repeat_factor: factor of the probability of tracks that the session holds already.
        seed: of weights, order, dropout and negatives.
    """

    dimension: int = 64
    heads: int = 2
    blocks: int = 2
    dropout: float = 0.2
    longest: int = 30
    negatives: int = 512
    batch: int = 256
    learning_rate: float = 4e-3
    epochs: int = 15
    repeat_factor: float = 1.0
    seed: int = 1

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the likeliest tracks of those known when it was trained.

        Raises:
            Incompatible: the library is missing.
        """
        return self.rank_by(memory.models.of(self, memory.plays, None, lambda _: self._train(memory)), question)

    def rank_by(self, trained: "TrainedSasRec", question: Question) -> Ranking:
        """Return the likeliest tracks by a network that is there already."""
        heard = [track for track in question.tracks if track < trained.tracks]
        if not heard:
            return np.zeros(0, np.int64), np.zeros(0)
        scores = trained.scores(heard[: self.longest][::-1])
        scores[heard] += math.log(self.repeat_factor)
        return best_of(scores)

    def _train(self, memory: PlayMemory) -> "TrainedSasRec":
        *_, trained = epochs_of(self, sequences_of(memory), memory.known)
        return trained


class TrainedSasRec:
    """A network ready for questions."""

    def __init__(self, network: Any, tracks: int) -> None:
        self._network = network
        self.tracks = tracks

    def scores(self, heard: Sequence[int]) -> NDArray[np.float32]:
        """Return a logit per track, float32, shape (tracks,); `heard` is what was played, the oldest first."""
        import torch

        self._network.eval()
        with torch.inference_mode():
            inputs = torch.tensor([heard])
            made = self._network({"track": inputs}, torch.ones_like(inputs, dtype=torch.bool))
        logits: NDArray[np.float32] = made["logits"][0, : self.tracks].numpy()
        return logits.copy()


def sequences_of(memory: PlayMemory) -> list[NDArray[np.int64]]:
    """Return the plays of every listener with two and more, in order."""
    return [
        listener.tracks[: listener.length].astype(np.int64)
        for listener in memory.listeners.values()
        if listener.length > 1
    ]


def epochs_of(recipe: SasRec, sequences: Sequence[NDArray[np.int64]], tracks: int) -> Iterator[TrainedSasRec]:
    """Yield the network after each epoch; it is one and the same, which goes on learning.

    Raises:
        Incompatible: the library is missing.
    """
    import torch

    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    network = _network(recipe, tracks)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98))
    pieces = _pieces(sequences, recipe.longest + 1)
    for _ in range(recipe.epochs):
        network.train()
        for batch in _batches(pieces, recipe.batch, random):
            inputs, targets = batch[:, :-1], batch[:, 1:]
            known = targets >= 0
            made = network(
                feature_tensors={"track": torch.from_numpy(np.where(inputs < 0, tracks, inputs))},
                padding_mask=torch.from_numpy(inputs >= 0),
                positive_labels=torch.from_numpy(np.where(known, targets, tracks))[:, :, None],
                negative_labels=torch.from_numpy(random.integers(tracks, size=recipe.negatives)),
                target_padding_mask=torch.from_numpy(known & (inputs >= 0))[:, :, None],
            )
            optimizer.zero_grad()
            made["loss"].backward()
            optimizer.step()
        yield TrainedSasRec(network, tracks)


def _network(recipe: SasRec, tracks: int) -> Any:
    try:
        from replay.data import FeatureHint, FeatureSource, FeatureType
        from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
        from replay.nn.loss import CESampled
        from replay.nn.sequential import SasRec as Network
    except ModuleNotFoundError:
        raise Incompatible("the baseline sasrec needs RePlay: pip install 'musicrec[bench-sasrec]'") from None
    schema = TensorSchema(
        TensorFeatureInfo(
            "track",
            is_seq=True,
            feature_type=FeatureType.CATEGORICAL,
            embedding_dim=recipe.dimension,
            padding_value=tracks,
            cardinality=tracks,
            feature_hint=FeatureHint.ITEM_ID,
            feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "track")],
        )
    )
    network = Network.from_params(
        schema,
        embedding_dim=recipe.dimension,
        num_heads=recipe.heads,
        num_blocks=recipe.blocks,
        max_sequence_length=recipe.longest,
        dropout=recipe.dropout,
    )
    network.loss = CESampled()
    network.loss.logits_callback = network.get_logits
    return network


def _pieces(sequences: Sequence[NDArray[np.int64]], longest: int) -> list[NDArray[np.int64]]:
    """Cut sequences into pieces of `longest` at most that share one track, from the end."""
    pieces = []
    for sequence in sequences:
        for end in range(len(sequence), 1, 1 - longest):
            pieces.append(sequence[max(0, end - longest) : end])
    return pieces


def _batches(
    pieces: Sequence[NDArray[np.int64]], size: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the pieces in a random order, those of a like length together; -1 fills up from the left."""
    lengths = np.array([len(piece) for piece in pieces])
    order = np.argsort(lengths + random.random(len(pieces)) * 4, kind="stable")
    starts = np.arange(0, len(order), size)
    for start in random.permutation(starts):
        chosen = order[start : start + size]
        filled = np.full((len(chosen), lengths[chosen].max()), -1, np.int64)
        for row, piece in zip(filled, chosen, strict=True):
            row[-lengths[piece] :] = pieces[piece]
        yield filled
