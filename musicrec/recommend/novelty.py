"""Tracks that came lately: announced by the catalogue, or played for the first time."""

from collections import deque

import numpy as np

from musicrec.recommend.state import Pieces, State, numbers


class Novelty:
    """The newest tracks, newest last; a track is in it once."""

    def __init__(self, max_tracks: int) -> None:
        self._announced: deque[int] = deque(maxlen=max_tracks)
        self._first_played: deque[int] = deque(maxlen=max_tracks)

    def announce(self, track: int) -> None:
        """Take in a track that the catalogue announced for the first time."""
        self._announced.append(track)

    def first_play(self, track: int) -> None:
        """Take in a track that no catalogue announced, on its first play."""
        self._first_played.append(track)

    def newest(self, limit: int) -> list[int]:
        """Return up to `limit` tracks, announced ones first, the newest of each kind first."""
        announced = [self._announced[-1 - i] for i in range(min(limit, len(self._announced)))]
        left = min(limit - len(announced), len(self._first_played))
        return announced + [self._first_played[-1 - i] for i in range(left)]

    def announced(self, limit: int) -> list[int]:
        """Return up to `limit` announced tracks, the newest first."""
        return [self._announced[-1 - i] for i in range(min(limit, len(self._announced)))]

    def state(self) -> Pieces:
        """Yield both kinds of tracks; see `Stateful`."""
        yield from numbers("announced", *self._announced)
        yield from numbers("first_played", *self._first_played)

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self._announced.extend(state.array("announced", np.int64, None).tolist())
        self._first_played.extend(state.array("first_played", np.int64, None).tolist())
