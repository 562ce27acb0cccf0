"""Tracks that came lately: announced by the catalogue, or played for the first time."""

from collections import deque
from itertools import islice

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
        announced = self.announced(limit)
        return announced + list(islice(reversed(self._first_played), limit - len(announced)))

    def announced(self, limit: int) -> list[int]:
        """Return up to `limit` announced tracks, the newest first."""
        return list(islice(reversed(self._announced), limit))

    def state(self) -> Pieces:
        """Yield both kinds of tracks; see `Stateful`."""
        yield from numbers("announced", *self._announced)
        yield from numbers("first_played", *self._first_played)

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self._announced.extend(state.array("announced", np.int64, None).tolist())
        self._first_played.extend(state.array("first_played", np.int64, None).tolist())
