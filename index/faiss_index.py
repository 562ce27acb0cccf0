"""The replica that ranking asks: exact while the catalogue is small, approximate when it is not, never rebuilt to
change one track.

One lock guards it.  `upsert`, `remove` and `search` hold it for microseconds to a millisecond; `build` trains outside
it, so it can run in another thread while the event loop goes on searching and changing.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index.inverted_file import InvertedFile, Numbers, sample_size
from index.track_numbers import NO_NUMBER, TrackNumbers
from index.vector_index import Neighbour, Vector, checked_k, places_best_first, unit_vector

BUILD_BLOCK_ROWS = 1_024
"""Rows copied under the lock at a time: a millisecond."""

CATCH_UP_ROWS = 256
"""A build that lags behind by no more rows than this finishes under the lock: some milliseconds."""


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How hard to look; the defaults were chosen by `musicrec bench index`."""

    exact_below: int = 50_000
    """Catalogues smaller than this are scanned: within a millisecond on one core, and there is nothing to build."""
    probes: int = 64
    """Lists that a search opens. More finds more and takes longer."""
    regrow: float = 2.0
    """The lists are trained again when the catalogue has grown or shrunk by this factor."""
    build_threads: int = 1
    """Cores that training takes; ranking wants the others."""


DEFAULT_SEARCH = SearchConfig()


class FaissIndex:
    """A `VectorIndex` of one model version; safe to use from several threads."""

    def __init__(
        self,
        dimension: int,
        version: str,
        config: SearchConfig = DEFAULT_SEARCH,
        *,
        contents: tuple[TrackNumbers, InvertedFile] | None = None,
    ) -> None:
        """Make an index that is empty, or holds `contents` (of a snapshot) that belong together."""
        self.dimension = dimension
        self.config = config
        self._version = version
        self._numbers, self._file = contents or (TrackNumbers(), InvertedFile.exact(dimension))
        self._built_for = len(self._file)
        self._touched: set[int] | None = None
        self._lock = threading.RLock()
        self._building = threading.Lock()

    @property
    def version(self) -> str:
        """Model version whose vectors these are."""
        return self._version

    @property
    def model_version(self) -> str:
        """The same, as `AudioIndex` has it."""
        return self._version

    @property
    def is_exact(self) -> bool:
        """Whether a search compares every vector."""
        return self._file.lists == 1

    @property
    def moves(self) -> int:
        """Counts up whenever a number ceases to mean its track; see `NumberedVectors`."""
        return self._numbers.moves

    def numbered(self) -> "FaissIndex":
        """Return this index, as `AudioIndex` has it."""
        return self

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, track_id: object) -> bool:
        return self._numbers.find(track_id) is not None

    def upsert(self, track_id: str, vector: npt.ArrayLike) -> None:
        """Set the vector of a track; see `VectorIndex.upsert`."""
        unit = unit_vector(vector, self.dimension, f"vector of track {track_id!r}")
        with self._lock:
            number = self._numbers.assign(track_id)
            self._file.put(np.array([number]), unit[np.newaxis])
            self._touch(number)

    def remove(self, track_id: str) -> bool:
        """Remove a track; return whether it was there."""
        with self._lock:
            number = self._numbers.release(track_id)
            if number is None:
                return False
            self._file.drop(np.array([number]))
            self._touch(number)
            return True

    def number_of(self, track_id: str) -> int:
        """Return the number of a track, or `NO_NUMBER`."""
        return self._numbers.number_of(track_id)

    def tracks_of(self, numbers: Sequence[int]) -> list[str]:
        """Return the track ids of numbers that are in use."""
        return self._numbers.tracks_of(numbers)

    def rows(self, numbers: Numbers) -> npt.NDArray[np.float32]:
        """Return the vectors of numbers that are in use, rounded to float16, float32, shape (numbers, dimension)."""
        with self._lock:
            return self._file.read(numbers)

    def vector(self, track_id: str) -> Vector | None:
        """Return the vector of a track, rounded to float16, shape (dimension,), float32; None for an unknown one."""
        with self._lock:
            number = self._numbers.find(track_id)
            return None if number is None else self._file.read(np.array([number]))[0]

    def vectors(self, track_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors of tracks, rounded to float16; see `VectorIndex.vectors`."""
        rows = np.zeros((len(track_ids), self.dimension), np.float32)
        with self._lock:
            numbers = np.array([self.number_of(track_id) for track_id in track_ids], np.int64)
            if (known := numbers != NO_NUMBER).any():
                rows[known] = self._file.read(numbers[known])
        return rows

    def track_ids(self) -> list[str]:
        """Return all tracks, in no particular order."""
        with self._lock:
            return [track for track in self._numbers.tracks if track is not None]

    def search(self, vector: npt.ArrayLike, k: int) -> list[Neighbour]:
        """Return the nearest tracks; see `VectorIndex.search`.

        From `SearchConfig.exact_below` tracks on it is approximate: some of the k nearest may be missed.  There are
        always min(k, len) results, and their cosines are exact to float16.
        """
        numbers, cosines = self._nearest(vector, k)
        return list(zip(self.tracks_of(numbers.tolist()), cosines.tolist(), strict=True))

    def nearest(self, vector: npt.ArrayLike, k: int) -> Numbers:
        """Return the numbers of the nearest tracks; see `search`."""
        return self._nearest(vector, k)[0]

    def _nearest(self, vector: npt.ArrayLike, k: int) -> tuple[Numbers, npt.NDArray[np.float32]]:
        query = unit_vector(vector, self.dimension, "query vector")
        checked_k(k)
        with self._lock:
            k = min(k, len(self._numbers))
            if k == 0:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            numbers, cosines = self._file.search(query, k, self.config.probes)
            if len(numbers) < k:  # the opened lists hold too few
                numbers, cosines = self._file.search(query, k, self._file.lists)
            cosines = np.minimum(cosines, 1.0)
            if (cosines[1:] >= cosines[:-1]).any():  # else FAISS has sorted them, and nothing ties
                order = places_best_first(self.tracks_of(numbers.tolist()), cosines)
                return numbers[order], cosines[order]
            return numbers, cosines

    def build_is_due(self) -> bool:
        """Return whether the catalogue has outgrown its lists, so that `build` would train new ones."""
        vectors = len(self._numbers)
        if vectors < self.config.exact_below:
            return not self.is_exact and vectors < self.config.exact_below / self.config.regrow
        return (
            self.is_exact or not self._built_for / self.config.regrow < vectors < self._built_for * self.config.regrow
        )

    def build(self) -> bool:
        """Train lists and move the vectors over, if it is due; return whether it was.

        Takes some tens of seconds of one core per million vectors.  Searches and changes go on meanwhile.
        """
        with self._journal():
            if not self.build_is_due():
                return False
            vectors = len(self._numbers)
            file = self._empty_file(vectors)
            for start in range(0, len(self._numbers.tracks), BUILD_BLOCK_ROWS):
                file.put(*self._live_rows(np.arange(start, start + BUILD_BLOCK_ROWS)))
            with self._caught_up(file):
                self._file, self._built_for = file, vectors
        return True

    def copy(self) -> tuple[TrackNumbers, InvertedFile]:
        """Return the contents at one moment, for a snapshot. Searches and changes go on while it is taken."""
        with self._journal() as touched:
            file = self._file.empty_copy()
            for which in range(file.lists):
                with self._lock:
                    numbers, rows = self._file.read_list(which)
                    # A row that has changed may have moved from a list that was copied before.
                    unchanged = np.array([number not in touched for number in numbers.tolist()], bool)
                file.add_to_list(which, numbers[unchanged], rows[unchanged])
            with self._caught_up(file):
                return TrackNumbers(list(self._numbers.tracks)), file

    def _empty_file(self, vectors: int) -> InvertedFile:
        if vectors < self.config.exact_below:
            return InvertedFile.exact(self.dimension)
        # Seeded: two replicas of one catalogue answer alike.
        shuffled = np.random.default_rng(0).permutation(len(self._numbers.tracks))
        blocks, missing = [], sample_size(vectors)
        for start in range(0, len(shuffled), BUILD_BLOCK_ROWS):
            blocks.append(self._live_rows(shuffled[start : start + BUILD_BLOCK_ROWS])[1][:missing])
            missing -= len(blocks[-1])
            if missing == 0:
                break
        return InvertedFile.train(np.concatenate(blocks), vectors, threads=self.config.build_threads)

    @contextmanager
    def _journal(self) -> Iterator[set[int]]:
        """Note which numbers change; one builder or copier at a time."""
        with self._building:
            self._touched = set()
            try:
                yield self._touched
            finally:
                self._touched = None

    @contextmanager
    def _caught_up(self, file: InvertedFile) -> Iterator[None]:
        """Repeat in `file` what changed since the journal began; the body runs locked, with nothing left to repeat."""
        assert self._touched is not None
        while len(self._touched) > CATCH_UP_ROWS:
            with self._lock:
                touched = np.array(sorted(self._touched), np.int64)
                self._touched.clear()
            for start in range(0, len(touched), BUILD_BLOCK_ROWS):
                self._redo(file, touched[start : start + BUILD_BLOCK_ROWS])
        with self._lock:
            self._redo(file, np.array(sorted(self._touched), np.int64))
            yield

    def _redo(self, file: InvertedFile, touched: Numbers) -> None:
        file.drop(touched)
        file.put(*self._live_rows(touched))

    def _live_rows(self, numbers: Numbers) -> tuple[Numbers, npt.NDArray[np.float32]]:
        with self._lock:
            tracks = self._numbers.tracks
            live = [number for number in numbers.tolist() if number < len(tracks) and tracks[number] is not None]
            taken = np.array(live, np.int64)
            return taken, self._file.read(taken)

    def _touch(self, number: int) -> None:
        if self._touched is not None:
            self._touched.add(number)
