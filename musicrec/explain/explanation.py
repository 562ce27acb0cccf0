"""What the record of a list says about each of its items, worked out: parts of the fused score, places on the way.

A list that was made before lists told their making has sources, ranks and reasons only; what is not known is None.
"""

from contextlib import suppress
from dataclasses import dataclass
from math import isfinite

from musicrec.contracts import Making, ReasonCode, Recommendation, RecommendedItem


@dataclass(frozen=True, slots=True)
class SourcePart:
    """What one source gave to an item."""

    source: str
    rank: int
    """Place in the source's own list, from 1."""
    part: float | None
    """weight / (c + rank), its part of the fused score; None where the weights are not known."""
    share: float | None
    """The same as a share of all parts, 0 to 1."""


@dataclass(frozen=True, slots=True)
class ItemExplanation:
    """Why one item stands where it does."""

    place: int
    """From 1."""
    track_id: str
    reason: ReasonCode
    score: float
    """What ordered the list, as published."""
    sources: tuple[SourcePart, ...]
    """Strongest first."""
    fused_score: float | None
    """Sum of the parts, damped where the track was heard in this session."""
    fusion_rank: int | None
    """Place in the fusion's order, from 1; None for a new track in an exploration slot, or where it is not known."""
    ranker_rank: int | None
    """Place after the ranker, likewise."""
    dial_rank: int | None
    """Place in the order that a dial gave, likewise; None as well where no dial changed the order."""
    was_put_forward: bool
    """Stands before where the ranker or a dial had it: the rules on whole lists have put others behind it."""
    is_heard: bool
    """Heard in this session already."""
    is_exploration: bool
    """Stands in an exploration slot, because the catalogue announced it lately."""
    propensity: float | None
    """Probability with which it was drawn for its exploration slot; None elsewhere, or where it is not known."""
    is_new_to_listener: bool | None
    """The listener never played it; None where nobody set a dial."""
    skip_chance: float | None
    """Probability, as foreseen, that it is skipped if it is played; None where nobody asked, or it is not known."""
    skip_move: int | None
    """Places of the ranker's order by which that moved it down, or up (below 0); likewise."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A list and the way to it."""

    made: Recommendation
    items: tuple[ItemExplanation, ...]
    left_out: int | None
    """Candidates that stood before the last item and that a rule on whole lists left out; None where not known."""

    @property
    def making(self) -> Making | None:
        """What the list recorded of its making."""
        return self.made.making


def explain(made: Recommendation) -> Explanation:
    """Work out what a list's record says."""
    making = made.making
    places = range(1, len(made.items) + 1)
    fusion_ranks = [_place(making.fusion_ranks, place) if making else None for place in places]
    if making is not None and making.ranker_ranks:
        ranker_ranks = [_place(making.ranker_ranks, place) for place in places]
    else:
        ranker_ranks = [place if rank else rank for place, rank in zip(places, fusion_ranks, strict=True)]
    dial_ranks = _dial_ranks(making, fusion_ranks)
    items = tuple(
        _item(place, item, making, *ranks)
        for place, item, *ranks in zip(places, made.items, fusion_ranks, ranker_ranks, dial_ranks, strict=True)
    )
    has_dial = making is not None and making.dial_ranks is not None
    known = [rank for rank in (dial_ranks if has_dial else ranker_ranks) if rank]
    return Explanation(made, items, max(known, default=0) - len(known) if making is not None else None)


def _dial_ranks(making: Making | None, fusion_ranks: list[int | None]) -> list[int | None]:
    if making is None or making.dial_ranks is None:
        return [None] * len(fusion_ranks)
    if making.dial_ranks:
        return [_place(making.dial_ranks, place) for place in range(1, len(fusion_ranks) + 1)]
    return [place if rank else rank for place, rank in enumerate(fusion_ranks, 1)]


def _place(ranks: tuple[int, ...], place: int) -> int | None:
    # Whoever wrote the record may have fewer places than items.
    return ranks[place - 1] if place <= len(ranks) else None


def _item(
    place: int,
    item: RecommendedItem,
    making: Making | None,
    fusion_rank: int | None,
    ranker_rank: int | None,
    dial_rank: int | None,
) -> ItemExplanation:
    is_exploration, is_heard = fusion_rank == 0, making is not None and place in making.heard
    new = making.new_to_listener if making is not None else None
    parts = _parts(item, making)
    chance, move = _foreseen(place, making)
    known = [part for part in parts if part is not None]
    total = sum(known)
    damping = making.repeat_factor if making is not None and is_heard else 1.0
    return ItemExplanation(
        place=place,
        track_id=item.track_id,
        reason=item.reason,
        score=item.score,
        sources=tuple(
            SourcePart(source.source, source.rank, part, part / total if part is not None and total > 0 else None)
            for source, part in zip(item.sources, parts, strict=True)
        ),
        fused_score=total * damping if known and not is_exploration else None,
        fusion_rank=fusion_rank or None,
        ranker_rank=ranker_rank or None,
        dial_rank=dial_rank or None,
        was_put_forward=place < (dial_rank or ranker_rank or 0),
        is_heard=is_heard,
        is_exploration=is_exploration,
        propensity=item.propensity,
        is_new_to_listener=None if new is None else place in new,
        skip_chance=chance,
        skip_move=move,
    )


def _foreseen(place: int, making: Making | None) -> tuple[float | None, int | None]:
    skips, moves = (making.skips_per_1000 or (), making.skip_moves or ()) if making is not None else ((), ())
    if place > min(len(skips), len(moves)) or not skips[place - 1]:
        return None, None
    return skips[place - 1] / 1000, moves[place - 1]


def _parts(item: RecommendedItem, making: Making | None) -> list[float | None]:
    if making is None:
        return [None] * len(item.sources)
    weights = dict(zip(making.sources, making.weights, strict=False))
    with suppress(ArithmeticError):  # numbers that no ranking works with, from whoever wrote the record
        parts = [weights.get(source.source, 0.0) / (making.rank_constant + source.rank) for source in item.sources]
        if isfinite(sum(parts) * making.repeat_factor):
            return list(parts)
    return [None] * len(item.sources)
