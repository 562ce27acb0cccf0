"""A few changed lists out of very many, drawn so that every run draws the same."""

import heapq
from dataclasses import dataclass
from zlib import crc32

from musicrec.evaluation.list_change import Change, ListChange


@dataclass(frozen=True, slots=True)
class ChangeExample:
    """One list that differs, and the play that it was made for."""

    kind: Change
    user_id: str
    session_id: str
    answered_event_id: str
    """The event that both lists answer."""
    played_track_id: str
    """What was played next."""
    place_in_a: int | None
    """Place of that track, from 1; None where the list does not hold it."""
    place_in_b: int | None
    change: ListChange


class ExampleDraw:
    """Draws evenly from all cases of each kind: those whose event ids have the lowest checksums."""

    def __init__(self, per_kind: int) -> None:
        self._per_kind = per_kind
        self._drawn: dict[Change, list[tuple[int, int, ChangeExample]]] = {kind: [] for kind in Change}
        self._offered = 0

    def wants(self, kind: Change, event_id: str) -> bool:
        """Whether an example of this event would be kept; to work one out costs more than to ask."""
        drawn = self._drawn[kind]
        return self._per_kind > len(drawn) or (bool(drawn) and -crc32(event_id.encode()) > drawn[0][0])

    def offer(self, example: ChangeExample) -> None:
        """Keep an example if its turn comes."""
        drawn = self._drawn[example.kind]
        self._offered += 1
        heapq.heappush(drawn, (-crc32(example.answered_event_id.encode()), -self._offered, example))
        if len(drawn) > self._per_kind:
            heapq.heappop(drawn)

    @property
    def examples(self) -> list[ChangeExample]:
        """What was drawn, by kind, in the order of the log."""
        return [
            example for drawn in self._drawn.values() for _, _, example in sorted(drawn, key=lambda entry: -entry[1])
        ]
