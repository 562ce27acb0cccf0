"""A list as the recommender hands it out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from musicrec.contracts import Degradation, Making, RecommendedItem, SourceRank
from musicrec.contracts.recommendation import MAX_LIST_LENGTH
from musicrec.kernel import kernel
from musicrec.recommend.fusion import REASONS, Source

_ITEMS = TypeAdapter(list[RecommendedItem])
"""All items of a list are checked in one call: twenty calls take half as long again."""


@dataclass(frozen=True, slots=True)
class RankedList:
    """Items, what they had to do without, and the candidates behind them.

    Attributes:
        items: best first.
        degraded: empty where nothing was lacking; never empty together with `items`.
        making: how it came to be.
        candidates: int64, indices of the candidates that might have been listed, best first, before the list was cut.
        candidate_scores: float64, what ordered them.
        variant: that made it; None for the default.
        model_version: of the settings and, where it was one's turn, of the session encoder that made it, and of the
            trained ranker that its ranker began with.
        places: int64, for each item its place in `candidates`; -1 for an item from elsewhere (exploration).
    """

    items: tuple[RecommendedItem, ...]
    degraded: tuple[Degradation, ...]
    making: Making
    candidates: NDArray[np.int64]
    candidate_scores: NDArray[np.float64]
    places: NDArray[np.int64]
    model_version: str
    variant: str | None = None


class ItemMaker:
    """Makes the records of a list; what records have in common is made once, since they are immutable."""

    def __init__(self, longest_source: int, rank_constant: float) -> None:
        """Prepare for ranks up to `longest_source`, fused with the constant `rank_constant`."""
        self._rank_constant = rank_constant
        self._source_ranks = [
            [SourceRank(source=source.label, rank=max(1, rank)) for rank in range(longest_source + 1)]
            for source in Source
        ]
        self._reasons = [REASONS[source] for source in Source]
        self._orders: NDArray[np.int64] = np.zeros((MAX_LIST_LENGTH, len(Source)), np.int64)
        self._proposed: NDArray[np.int64] = np.zeros(MAX_LIST_LENGTH, np.int64)

    def items(
        self, track_ids: Sequence[str], scores: Sequence[float], ranks: NDArray[np.int32], weights: NDArray[np.float64]
    ) -> list[RecommendedItem]:
        """Return one item per track; its sources are ordered by their part of the fused score, the largest first.

        Args:
            track_ids: tracks, best first.
            scores: their scores.
            ranks: int32, shape (tracks, sources), rank in each source, 0 where it did not propose the track.
            weights: float64 per source.
        """
        orders, proposed = self._orders[: len(ranks)], self._proposed[: len(ranks)]
        order_sources(ranks, weights, self._rank_constant, orders, proposed)
        table, reasons = self._source_ranks, self._reasons
        return _ITEMS.validate_python(
            [
                {
                    "track_id": track_id,
                    "score": score,
                    "sources": tuple([table[source][row[source]] for source in order[:count]]),
                    "reason": reasons[order[0]],
                }
                for track_id, score, row, order, count in zip(
                    track_ids, scores, ranks.tolist(), orders.tolist(), proposed.tolist(), strict=True
                )
            ]
        )

    def new_item(self, track_id: str, score: float, propensity: float) -> RecommendedItem:
        """Return the item of a track that was drawn for an exploration slot with the probability `propensity`."""
        first_of_new = self._source_ranks[Source.NEW][1]
        return RecommendedItem(
            track_id=track_id,
            score=score,
            sources=(first_of_new,),
            reason=self._reasons[Source.NEW],
            propensity=propensity,
        )


@kernel
def order_sources(
    ranks: NDArray[np.int32],
    weights: NDArray[np.float64],
    rank_constant: float,
    out_orders: NDArray[np.int64],
    out_counts: NDArray[np.int64],
) -> None:
    """Write, per item, the sources that proposed it, the largest part of its fused score first, and how many they are.

    Args:
        ranks: int32, shape (items, sources), rank in each source, 0 where it did not propose the item.
        weights: per source.
        rank_constant: of the fusion.
        out_orders: int64, shape (items, sources); where nobody proposed the item, its first place is source 0.
        out_counts: int64 per item.
    """
    for item in range(ranks.shape[0]):
        count = 0
        out_orders[item, 0] = 0
        for source in range(ranks.shape[1]):
            if ranks[item, source] == 0:
                continue
            part = weights[source] / (rank_constant + ranks[item, source])
            at = count
            while at > 0:
                before = out_orders[item, at - 1]
                if weights[before] / (rank_constant + ranks[item, before]) >= part:
                    break
                out_orders[item, at] = before
                at -= 1
            out_orders[item, at] = source
            count += 1
        out_counts[item] = count
