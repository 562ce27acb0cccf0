"""Places for newly announced tracks, drawn at random with odds that are told.

With the propensity of each draw in the record, what another way of choosing would have earned in these places can be
worked out from what was played: the mean of reward · (its probability / propensity).  The chance is a hash of what the
list answers, so the same question has the same answer however often it is asked.

Sources: Horvitz, Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952; Li,
Chu, Langford, Wang, "Unbiased offline evaluation of contextual-bandit-based news article recommendation algorithms",
WSDM 2011.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Drawn:
    """A track in an exploration slot.

    Attributes:
        track: the track.
        propensity: probability with which it was drawn for its slot, given those of the slots before it.
    """

    track: int
    propensity: float


def draw(choice: Sequence[tuple[int, float]], slots: int, occasion: str) -> list[Drawn]:
    """Draw a track for each slot while there are any, none of them twice.

    Args:
        choice: tracks that may be drawn, each once, and their weights, positive: the odds beside the others.
        slots: how many are wanted.
        occasion: whatever the draw is made for; the same occasion has the same draws.

    >>> [drawn.propensity for drawn in draw([(7, 3.0), (8, 1.0)], 5, "ann's first play")]
    [0.75, 1.0]
    """
    left = list(choice)
    drawn: list[Drawn] = []
    while left and len(drawn) < slots:
        total = sum(weight for _, weight in left)
        point = chance(f"{len(drawn)}:{occasion}") * total
        at = 0
        while at < len(left) - 1 and point >= left[at][1]:
            point -= left[at][1]
            at += 1
        track, weight = left.pop(at)
        drawn.append(Drawn(track, weight / total))
    return drawn


def chance(text: str) -> float:
    """Return a number from 0 to below 1, evenly spread over texts.

    >>> chance("ann") == chance("ann") != chance("bob")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") / (1 << 48)
