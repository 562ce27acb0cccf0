"""What the lists of the last minutes were made by and what they had to do without: pure and bounded."""

from collections import Counter, deque
from typing import Final, NamedTuple, TypedDict

from musicrec.contracts import Recommendation
from musicrec.contracts.model import DEFAULT_VARIANT

MINUTES: Final = 5
SLOT_MS: Final = 10_000
SLOTS: Final = MINUTES * 60_000 // SLOT_MS
MOST_MAKERS: Final = 50
"""Kinds of makers counted in one slot; what is beyond them is left out."""


class Maker(NamedTuple):
    """What makes a list what it is, but for the listener."""

    model_version: str
    variant: str
    index_version: str


class MakerView(TypedDict):
    """One line."""

    model_version: str
    variant: str
    index_version: str
    lists: int
    """In the last minutes; two versions side by side are a deployment under way, or one that got stuck."""


class LackView(TypedDict):
    """What lists had to do without."""

    code: str
    lists: int


class LatelyMadeView(TypedDict):
    """The panel."""

    minutes: int
    lists: int
    makers: list[MakerView]
    """Most lists first."""
    lacking: list[LackView]
    """Likewise."""


class LatelyMade:
    """Counts in slots of ten seconds; the caller says what time it is."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, Counter[Maker], Counter[str]]] = deque()

    def add(self, made: Recommendation, now_ms: int) -> None:
        """Take a list."""
        slot = now_ms // SLOT_MS
        if not self._slots or self._slots[-1][0] < slot:
            self._slots.append((slot, Counter(), Counter()))
            self._forget(slot)
        _, makers, lacking = self._slots[-1]
        maker = Maker(made.model_version, made.variant or DEFAULT_VARIANT, made.index_version)
        if maker in makers or len(makers) < MOST_MAKERS:
            makers[maker] += 1
        lacking.update(code.value for code in made.degraded)

    def view(self, now_ms: int) -> LatelyMadeView:
        """Return the panel."""
        self._forget(now_ms // SLOT_MS)
        makers = sum((slot[1] for slot in self._slots), Counter[Maker]())
        lacking = sum((slot[2] for slot in self._slots), Counter[str]())
        return {
            "minutes": MINUTES,
            "lists": makers.total(),
            "makers": [
                {
                    "model_version": maker.model_version,
                    "variant": maker.variant,
                    "index_version": maker.index_version,
                    "lists": lists,
                }
                for maker, lists in makers.most_common(20)
            ],
            "lacking": [{"code": code, "lists": lists} for code, lists in lacking.most_common()],
        }

    def _forget(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - SLOTS:
            self._slots.popleft()
