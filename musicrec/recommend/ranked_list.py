"""A list as the recommender hands it out."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Degradation, RecommendedItem, SourceRank
from musicrec.recommend.fusion import REASONS, Source


@dataclass(frozen=True, slots=True)
class RankedList:
    """Items, what they had to do without, and the candidates behind them.

    Attributes:
        items: best first.
        degraded: empty where nothing was lacking; never empty together with `items`.
        candidates: int64, indices of the candidates that might have been listed, best first, before the list was cut.
        candidate_scores: float64, their fused scores.
        places: int64, for each item its place in `candidates`; -1 for an item from elsewhere (exploration).
    """

    items: tuple[RecommendedItem, ...]
    degraded: tuple[Degradation, ...]
    candidates: NDArray[np.int64]
    candidate_scores: NDArray[np.float64]
    places: NDArray[np.int64]


@lru_cache(maxsize=4096)
def source_rank(source: Source, rank: int) -> SourceRank:
    """Return the record; records are immutable, so lists share them."""
    return SourceRank(source=source.label, rank=rank)


def item_of(track_id: str, score: float, ranks: list[int], strengths: list[float], constant: float) -> RecommendedItem:
    """Return one item with its sources, the one that gave the largest part of its score first.

    Args:
        ranks: rank per source, 0 where the source did not propose it.
        strengths: weight per source.
        constant: c of the rank fusion.
    """
    parts = sorted(
        ((strengths[source] / (constant + rank), -source) for source, rank in enumerate(ranks) if rank), reverse=True
    )
    sources = [Source(-negative) for _, negative in parts]
    return RecommendedItem(
        track_id=track_id,
        score=score,
        sources=tuple([source_rank(source, ranks[source]) for source in sources]),
        reason=REASONS[sources[0]],
    )
