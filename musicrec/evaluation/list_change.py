"""What became of one list when the ranking was configured otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from musicrec.contracts import RecommendedItem


class Change(StrEnum):
    """What a change of a list did to the play that followed; the value is its key in a report."""

    FOUND = "found"
    """Only the second list holds what was then played."""
    LOST = "lost"
    """Only the first one does."""
    OTHER = "other"
    """Both do, or none."""


@dataclass(frozen=True, slots=True)
class PlacedItem:
    """An item and where it stood."""

    track_id: str
    place: int
    """From 1."""
    reason: str
    sources: tuple[str, ...]
    """Each with its rank, strongest first."""


@dataclass(frozen=True, slots=True)
class ListChange:
    """Two lists for the same session."""

    left: tuple[PlacedItem, ...]
    """Items of the first list that the second one lacks."""
    came_in: tuple[PlacedItem, ...]
    """Items of the second list that the first one lacks."""
    moved: tuple[tuple[str, int, int], ...]
    """Tracks of both with their places in the first and in the second, those that moved most at the head."""


def kind_of(place_in_first: int | None, place_in_second: int | None) -> Change:
    """Return what the change did to the play that followed, from its places in both lists; None for no place."""
    if (place_in_first is None) == (place_in_second is None):
        return Change.OTHER
    return Change.LOST if place_in_second is None else Change.FOUND


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of the longer list's tracks that both hold, 0 to 1; two empty lists hold the same.

    >>> overlap("abcd", "badc"), overlap("abcd", "xy"), overlap("", "")
    (1.0, 0.0, 1.0)
    """
    longest = max(len(one), len(other))
    return len(set(one) & set(other)) / longest if longest else 1.0


def change_between(one: Sequence[RecommendedItem], other: Sequence[RecommendedItem]) -> ListChange:
    """Return what left, what came in and what moved."""
    before = {item.track_id: place for place, item in enumerate(one, 1)}
    after = {item.track_id: place for place, item in enumerate(other, 1)}
    moved = [
        (track, before[track], after[track]) for track in before if before[track] != after.get(track, before[track])
    ]
    return ListChange(
        left=tuple(_placed(item, before) for item in one if item.track_id not in after),
        came_in=tuple(_placed(item, after) for item in other if item.track_id not in before),
        moved=tuple(sorted(moved, key=lambda move: -abs(move[1] - move[2]))),
    )


def _placed(item: RecommendedItem, places: dict[str, int]) -> PlacedItem:
    sources = tuple(f"{source.source} {source.rank}" for source in item.sources)
    return PlacedItem(item.track_id, places[item.track_id], item.reason.value, sources)
