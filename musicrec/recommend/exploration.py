"""Places for newly announced tracks, drawn at random with odds that are told.

With the propensity of each draw in the record, what another way of choosing would have earned in these places can be
worked out from what was played: the mean of reward · (its probability / propensity).  The chance is a hash of what the
list answers, so the same question has the same answer however often it is asked.

Sources: Horvitz, Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952; Li,
Chu, Langford, Wang, "Unbiased offline evaluation of contextual-bandit-based news article recommendation algorithms",
WSDM 2011.
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.catalogue import ANNOUNCED


@dataclass(frozen=True, slots=True)
class Drawn:
    """A track in an exploration slot.

    Attributes:
        track: the track.
        propensity: probability with which it was drawn for its slot, given those of the slots before it.
    """

    track: int
    propensity: float


def draw(tracks: NDArray[np.int64], weights: NDArray[np.float64], slots: int, occasion: str) -> list[Drawn]:
    """Draw a track for each slot while there are any, none of them twice.

    Args:
        tracks: that may be drawn, each once.
        weights: of each, positive: its odds beside the others.
        slots: how many are wanted.
        occasion: whatever the draw is made for; the same occasion has the same draws.

    >>> [drawn.propensity for drawn in draw(np.array([7, 8]), np.array([3.0, 1.0]), 5, "ann's first play")]
    [0.75, 1.0]
    """
    left = weights.copy()
    drawn: list[Drawn] = []
    for slot in range(min(slots, len(tracks))):
        at, propensity = place_at(left, chance(f"{slot}:{occasion}"))
        left[at] = 0.0
        drawn.append(Drawn(int(tracks[at]), propensity))
    return drawn


@kernel
def place_at(weights: NDArray[np.float64], share: float) -> tuple[int, float]:
    """Return the place that lies at `share` of all weights, laid end to end, and its part of them.

    Args:
        weights: 0 and more, one of them more than 0.
        share: from 0 to below 1.
    """
    total = 0.0
    for weight in weights:
        total += weight
    point, found = share * total, 0
    for at in range(len(weights)):
        if weights[at] > 0.0:
            found = at  # rounding may let the point lie behind the last one
            if point < weights[at]:
                break
        point -= weights[at]
    return found, weights[found] / total


@kernel
def may_be_drawn(
    tracks: NDArray[np.int64],
    flags: NDArray[np.uint8],
    artist_of: NDArray[np.int32],
    not_these: NDArray[np.int64],
    not_by: NDArray[np.int64],
    by_preference: NDArray[np.int64],
    near: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the places in `tracks` of those that may be drawn, int64, those of preferred artists first.

    Args:
        tracks: few enough that each may be compared with all others.
        flags, artist_of: per track; one that the catalogue did not announce may not be drawn.
        not_these: tracks that may not be drawn.
        not_by: artists whose tracks may not.
        by_preference: preferred artists.
        near: bool per place in `tracks`, gets which are by a preferred artist.
    """
    places = np.empty(len(tracks), np.int64)
    count = 0
    for wanted in (True, False):
        for at in range(len(tracks)):
            track, artist = tracks[at], artist_of[tracks[at]]
            near[at] = is_among(artist, by_preference)
            if near[at] != wanted or flags[track] & ANNOUNCED == 0:
                continue
            if not is_among(track, not_these) and not is_among(artist, not_by):
                places[count] = at
                count += 1
    return places[:count]


@kernel
def is_among(number: int, numbers: NDArray[np.int64]) -> bool:
    """Return whether `numbers` holds `number`."""
    for other in numbers:  # noqa: SIM110 - no generator is compiled
        if other == number:
            return True
    return False


def chance(text: str) -> float:
    """Return a number from 0 to below 1, evenly spread over texts.

    >>> chance("ann") == chance("ann") != chance("bob")
    True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") / (1 << 48)
