"""What is played most at present: counts that lose half their weight every half-life.

Decay runs forward: instead of shrinking every count with time, a play counts more the later it is,
2^((t - t0) / half-life), so that the order of two tracks changes only when one of them is played.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", ICDE 2009.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.state import Pieces, State, copied, numbers
from musicrec.recommend.top_k import MIN_CAPACITY

MAX_HALF_LIVES: Final = 500.0
"""Beyond this many half-lives since t0 the weights are scaled down: 2^500 is far from the largest float64."""


class Popularity:
    """Decayed plays per track, and the tracks that have most.

    Attributes:
        plays: int64 per track, completed and partial plays, without decay.
        scores: float64 per track, forward-decayed plays.
        top: int64, the tracks with the highest scores, best first; `top_length` of them are in use.
    """

    def __init__(self, half_life_ms: int, top: int) -> None:
        self.half_life_ms = half_life_ms
        self.plays: NDArray[np.int64] = np.zeros(MIN_CAPACITY, np.int64)
        self.scores: NDArray[np.float64] = np.zeros(MIN_CAPACITY, np.float64)
        self.top: NDArray[np.int64] = np.zeros(top, np.int64)
        self.top_length = 0
        self._start_ms: int | None = None

    def grow(self, tracks: int) -> None:
        """Make room for tracks below `tracks`."""
        more = tracks - len(self.plays)
        if more > 0:
            self.plays = np.concatenate([self.plays, np.zeros(more, np.int64)])
            self.scores = np.concatenate([self.scores, np.zeros(more, np.float64)])

    def count(self, track: int, strength: float, played_at_ms: int) -> None:
        """Count one play."""
        if strength <= 0:
            return
        if self._start_ms is None:
            self._start_ms = played_at_ms
        half_lives = (played_at_ms - self._start_ms) / self.half_life_ms
        if half_lives > MAX_HALF_LIVES:
            self.scores *= 2.0**-half_lives
            self._start_ms = played_at_ms
            half_lives = 0.0
        self.plays[track] += 1
        self.scores[track] += strength * 2.0 ** max(half_lives, -MAX_HALF_LIVES)
        self.top_length = place_in_top(self.top, self.top_length, self.scores, track)

    def forget(self, track: int) -> None:
        """Take a removed track out; its place in the top is filled by later plays."""
        self.scores[track] = 0.0
        kept = self.top[: self.top_length][self.top[: self.top_length] != track]
        self.top[: len(kept)] = kept
        self.top_length = len(kept)

    def state(self) -> Pieces:
        """Yield counts, scores, the top and where time began; see `Stateful`."""
        yield from copied("plays", self.plays)
        yield from copied("scores", self.scores)
        yield from copied("top", self.top[: self.top_length])
        yield from numbers("start_ms", *([] if self._start_ms is None else [self._start_ms]))

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self.plays = state.array("plays", np.int64, None).copy()
        self.scores = state.array("scores", np.float64, len(self.plays)).copy()
        top = state.array("top", np.int64, None)
        self.top_length = len(top)
        self.top[: len(top)] = top
        self._start_ms = next(iter(state.array("start_ms", np.int64, None).tolist()), None)


@kernel
def place_in_top(top: NDArray[np.int64], length: int, scores: NDArray[np.float64], track: int) -> int:
    """Move `track`, whose score has just grown, to its place in `top`; return the new length."""
    score = scores[track]
    at = -1
    if length == top.shape[0] and scores[top[length - 1]] >= score and top[length - 1] != track:
        return length
    for i in range(length):
        if top[i] == track:
            at = i
            break
    if at < 0:
        if length < top.shape[0]:
            length += 1
        at = length - 1
    while at > 0 and scores[top[at - 1]] < score:
        top[at] = top[at - 1]
        at -= 1
    top[at] = track
    return length
