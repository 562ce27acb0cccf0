"""What every recommender must beat: popularity, the last track's followers, and plain session-kNN.

They learn on the same schedule as the recommender, play by play, running sessions included.
"""

import heapq
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.vmis_knn import vmis_votes
from musicrec.recommend.popularity import place_in_top
from musicrec.recommend.session_store import SessionStore
from musicrec.recommend.top_k import Scratch

CANDIDATES = 100
"""Candidates of a baseline: far more than a list shows, so that ties at its end are seen."""

Ranking = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Tracks and their scores, best first."""


class Baseline(Protocol):
    """A model that learns plays and ranks tracks, all by index."""

    def learn(self, session: int, track: int, before: int | None) -> None:
        """Take in a play of `track` in `session`, right after `before` where there was a track before it."""

    def rank(self, session: int, tracks: Sequence[int]) -> Ranking:
        """Rank what follows `tracks`, the newest first, in `session`."""


class PopularityBaseline:
    """All-time play counts."""

    def __init__(self) -> None:
        self._counts: NDArray[np.float64] = np.zeros(1024)
        self._top: NDArray[np.int64] = np.zeros(CANDIDATES, np.int64)
        self._length = 0

    def learn(self, session: int, track: int, before: int | None) -> None:
        """Count a play."""
        if track >= len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(max(track, len(self._counts)))])
        self._counts[track] += 1
        self._length = place_in_top(self._top, self._length, self._counts, track)

    def rank(self, session: int, tracks: Sequence[int]) -> Ranking:
        """Return the most played tracks."""
        top = self._top[: self._length].copy()
        return top, self._counts[top]


class MarkovBaseline:
    """Counts of what came right after the last track."""

    def __init__(self) -> None:
        self._followers: dict[int, dict[int, int]] = {}

    def learn(self, session: int, track: int, before: int | None) -> None:
        """Count a transition."""
        if before is not None:
            row = self._followers.setdefault(before, {})
            row[track] = row.get(track, 0) + 1

    def rank(self, session: int, tracks: Sequence[int]) -> Ranking:
        """Return the last track's most frequent followers; equal counts in order of first sight."""
        row = self._followers.get(tracks[0], {}) if tracks else {}
        best = heapq.nsmallest(CANDIDATES, row, key=lambda track: (-row[track], track))
        return np.array(best, np.int64), np.array([row[track] for track in best], np.float64)


class SessionKnnBaseline:
    """VMIS-kNN as Serenade runs it, at the settings its authors publish."""

    NEIGHBOURS = 288
    ROWS_PER_TRACK = 2_048
    NEWEST_ROWS = 1_502
    QUERY_LENGTH = 4
    IDF = 2.0

    def __init__(self, max_sessions: int = 500_000, row_length: int = 100) -> None:
        self._store = SessionStore(max_sessions, row_length, self.ROWS_PER_TRACK)
        self._row_of: dict[int, int] = {}
        self._by_row = Scratch(max_sessions)
        self._row_match: NDArray[np.int32] = np.zeros(max_sessions, np.int32)
        self._by_track = Scratch()
        self._neighbours: NDArray[np.int64] = np.zeros(self.NEIGHBOURS, np.int64)
        self._neighbour_scores: NDArray[np.float64] = np.zeros(self.NEIGHBOURS)
        self._keys: NDArray[np.int64] = np.zeros(CANDIDATES, np.int64)
        self._scores: NDArray[np.float64] = np.zeros(CANDIDATES)

    def learn(self, session: int, track: int, before: int | None) -> None:
        """Add the play to its session."""
        store = self._store
        if track >= len(store.rows_of.start):
            store.grow(2 * max(track, 512))
        serial = self._row_of.get(session, -1)
        if not store.is_kept(serial):
            serial = store.open_row(session, -1)
        self._row_of[session] = store.listen(serial, track, 1.0, 0)

    def rank(self, session: int, tracks: Sequence[int]) -> Ranking:
        """Return the tracks of the nearest sessions."""
        store = self._store
        self._by_track.grow(len(store.rows_of.start))
        query = np.array([t for t in tracks[: self.QUERY_LENGTH] if t < len(store.rows_of.start)], np.int64)
        count = vmis_votes(
            query,
            session,
            store.tracks,
            store.lengths,
            store.session,
            store.next_serial,
            store.rows_of.values,
            store.rows_of.start,
            store.rows_of.room,
            store.rows_of.written,
            self._by_row.scores,
            self._by_row.touched,
            self._row_match,
            self._by_track.scores,
            self._by_track.touched,
            self._neighbours,
            self._neighbour_scores,
            self.NEWEST_ROWS,
            self.IDF,
            self._keys,
            self._scores,
        )
        return self._keys[:count].copy(), self._scores[:count].copy()
