"""The audio index by the catalogue's indices: which number is which track is remembered in both directions.

A list asks for the vectors of some two hundred candidates, and for the hundred nearest to the session.  By their ids
each would be looked up in two tables, which takes as long as the search itself.
"""

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.audio_neighbours import NO_VECTOR, AudioIndex, NumberedVectors
from musicrec.recommend.catalogue import UNKNOWN, Catalogue


class TrackSounds:
    """What the catalogue's tracks sound like."""

    def __init__(self, index: AudioIndex | None, catalogue: Catalogue) -> None:
        """Take an index, or none.

        Args:
            index: vectors by track id.
            catalogue: whose indices are spoken of here; they are never reused.
        """
        self._index = index
        self._catalogue = catalogue
        self._vectors: NumberedVectors | None = None
        self._moves = 0
        # Only what was found is kept: a track that has no vector, or is in no catalogue yet, may have one tomorrow.
        self._number_of: NDArray[np.int64] = np.empty(0, np.int64)
        self._track_of: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Return how many vectors there are, of whatever tracks."""
        return 0 if self._index is None else len(self._index)

    @property
    def has_index(self) -> bool:
        """Whether there is an index at all, empty or not."""
        return self._index is not None

    def vectors(self, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the tracks' vectors, float32, shape (tracks, dimension); a row of zeros, or no column, for none."""
        vectors = self._current()
        if vectors is None:
            return np.zeros((len(tracks), 0), np.float32)
        self._number_of = _grown(self._number_of, self._catalogue.capacity, NO_VECTOR)
        numbers = self._number_of[tracks]
        for at in np.flatnonzero(numbers == NO_VECTOR).tolist():
            track = int(tracks[at])
            self._number_of[track] = numbers[at] = vectors.number_of(self._catalogue.track_id(track))
        heard = np.flatnonzero(numbers != NO_VECTOR)
        if len(heard) == len(tracks) > 0:
            return vectors.rows(numbers)
        rows = np.zeros((len(tracks), vectors.dimension), np.float32)
        if len(heard):
            rows[heard] = vectors.rows(numbers[heard])
        return rows

    def nearest(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return the tracks of the catalogue among the `k` of largest cosine to `vector`, best first, int64."""
        vectors = self._current()
        if vectors is None:
            return np.empty(0, np.int64)
        numbers = vectors.nearest(vector, k)
        self._track_of = _grown(self._track_of, int(numbers.max(initial=-1)) + 1, UNKNOWN)
        tracks = self._track_of[numbers]
        new = np.flatnonzero(tracks == UNKNOWN)
        if len(new):
            ids = vectors.tracks_of(numbers[new].tolist())
            tracks[new] = [self._catalogue.index_of(track_id) for track_id in ids]
            self._track_of[numbers[new]] = tracks[new]
        found: NDArray[np.int64] = tracks[tracks != UNKNOWN]
        return found

    def forget(self) -> None:
        """Keep nothing of what the catalogue was before it was restored."""
        self._number_of[:] = NO_VECTOR
        self._track_of[:] = UNKNOWN

    def _current(self) -> NumberedVectors | None:
        """Return the vectors that serve, with nothing remembered of others."""
        vectors = self._index.numbered() if self._index is not None else None
        if vectors is not None and (vectors is not self._vectors or vectors.moves != self._moves):
            self.forget()
            self._moves = vectors.moves
        self._vectors = vectors
        return vectors


def _grown(column: NDArray[np.int64], least: int, value: int) -> NDArray[np.int64]:
    """Return the column with room for `least`, at least doubled where it has too little, and `value` in what is new."""
    if len(column) >= least:
        return column
    more = max(least, 2 * len(column)) - len(column)
    return np.concatenate([column, np.full(more, value, np.int64)])
