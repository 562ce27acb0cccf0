"""Tracks that came lately: announced by the catalogue, or played for the first time."""

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.catalogue import REMOVED
from musicrec.recommend.state import Pieces, State, copied


class Novelty:
    """The newest tracks, newest last; a track is in it once."""

    def __init__(self, max_tracks: int) -> None:
        self._announced = _Newest(max_tracks)
        self._first_played = _Newest(max_tracks)

    def announce(self, track: int) -> None:
        """Take in a track that the catalogue announced for the first time."""
        self._announced.append(track)

    def first_play(self, track: int) -> None:
        """Take in a track that no catalogue announced, on its first play."""
        self._first_played.append(track)

    def newest(self, limit: int) -> NDArray[np.int64]:
        """Return up to `limit` tracks, int64, announced ones first, the newest of each kind first."""
        announced = self._announced.last(limit)
        first_played = self._first_played.last(limit - len(announced))
        # Contiguous, however many there are of each kind: a kernel is compiled for what it is given first.
        return np.concatenate([announced[::-1], first_played[::-1]])

    def state(self) -> Pieces:
        """Yield both kinds of tracks; see `Stateful`."""
        yield from copied("announced", self._announced.kept)
        yield from copied("first_played", self._first_played.kept)

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self._announced.restore(state.array("announced", np.int64, None))
        self._first_played.restore(state.array("first_played", np.int64, None))


@kernel
def few_played(
    tracks: NDArray[np.int64], flags: NDArray[np.uint8], plays: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Return those of `tracks` that are in the catalogue and have `most` plays or fewer.

    Args:
        tracks: int64.
        flags, plays: per track.
        most: plays.
    """
    kept = np.empty(len(tracks), np.int64)
    count = 0
    for track in tracks:
        if flags[track] & REMOVED == 0 and plays[track] <= most:
            kept[count] = track
            count += 1
    return kept[:count]


class _Newest:
    """The last `most` tracks that came, at the end of an array that is moved to the front when it is full."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tracks: NDArray[np.int64] = np.zeros(2 * most, np.int64)
        self._end = 0

    @property
    def kept(self) -> NDArray[np.int64]:
        return self.last(self._most)

    def last(self, count: int) -> NDArray[np.int64]:
        return self._tracks[max(0, self._end - min(count, self._most)) : self._end]

    def append(self, track: int) -> None:
        if self._end == len(self._tracks):
            self.restore(self.kept)
        if self._most:
            self._tracks[self._end] = track
            self._end += 1

    def restore(self, tracks: NDArray[np.int64]) -> None:
        kept = tracks[max(0, len(tracks) - self._most) :].copy()
        self._tracks[: len(kept)] = kept
        self._end = len(kept)
