"""What a listener or an operator turns: more new tracks or more familiar ones, more of what is popular or less of it.

score + newness · (1 where the listener never played the track, -1 where they did) + fame · log(1 + plays of everybody)

The terms are added to the ranker's scores, which are logarithms: a dial multiplies the odds that the ranker gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.settings import RankingSettings


@dataclass(frozen=True, slots=True)
class Turned:
    """What the dials add to a score.

    Attributes:
        newness: for a track that the listener never played; as much is taken off one that they did.
        fame: per logarithm of a track's plays.
    """

    newness: float
    fame: float

    @classmethod
    def of(cls, settings: RankingSettings, discovery: float | None) -> "Turned":
        """Return what is added where the listener's dial stands at `discovery`.

        >>> Turned.of(RankingSettings(), None)
        Turned(newness=0.0, fame=0.0)
        """
        dial = discovery or 0.0
        return cls(dial * settings.discovery_newness, 0.0 - dial * settings.discovery_fame - settings.popularity_dial)

    @property
    def changes_nothing(self) -> bool:
        """Whether all dials stand in the middle."""
        return self.newness == 0.0 == self.fame


@kernel
def mark_played(
    tracks: NDArray[np.int64],
    count: int,
    history: NDArray[np.int32],
    history_length: int,
    session: NDArray[np.int64],
    place_of: NDArray[np.int16],
    out: NDArray[np.bool_],
) -> None:
    """Write into `out` which of the first `count` of `tracks` the listener played.

    Args:
        tracks: each once.
        history: the listener's plays; `history_length` in use.
        session: tracks of the running session: its newest plays may not be in the history yet.
        place_of: scratch per track, 0 before and after.
    """
    for i in range(count):
        place_of[tracks[i]] = i + 1
        out[i] = False
    for at in range(history_length):
        place = place_of[history[at]]
        if place > 0:
            out[place - 1] = True
    for at in range(len(session)):
        place = place_of[session[at]]
        if place > 0:
            out[place - 1] = True
    for i in range(count):
        place_of[tracks[i]] = 0


def turned_scores(
    scores: NDArray[np.float64], is_played: NDArray[np.bool_], plays: NDArray[np.int64], turned: Turned
) -> NDArray[np.float64]:
    """Return scores with the dials' terms.

    Args:
        scores: float64, logarithms.
        is_played: per candidate, whether the listener played it.
        plays: per candidate, how often everybody played it.
        turned: what the dials add.
    """
    newness = np.where(is_played, -turned.newness, turned.newness)
    turned_to: NDArray[np.float64] = scores + newness + turned.fame * np.log1p(plays)
    return turned_to
