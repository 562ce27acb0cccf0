"""What was played so far, learned once for all baselines, play by play, running sessions included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ListenOutcome
from musicrec.evaluation.built_models import BuiltModels
from musicrec.evaluation.tastes import Tastes
from musicrec.recommend.listener_memory import ListenerMemory
from musicrec.recommend.popularity import Popularity, place_in_top
from musicrec.recommend.session_store import SessionStore
from musicrec.recommend.settings import DAY_MS
from musicrec.recommend.top_k import MIN_CAPACITY, Scratch

CANDIDATES: Final = 100
"""Candidates of a baseline: far more than a list shows, so that ties at its end are seen."""
ROW_LENGTH: Final = 100
"""Tracks of a session in one row; only the longest sessions need a second one."""
ROWS_PER_TRACK: Final = 8_192
HISTORY_LENGTH: Final = 65_536
"""Plays remembered of a listener: more than a log of years has."""

Ranking = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Tracks and their scores, best first."""


@dataclass(frozen=True, slots=True)
class Play:
    """One play, by index.

    Attributes:
        listener: who.
        session: which of their sessions.
        track: what.
        before: the track right before it in the session, where there was one.
        ended_at_ms: when, event time.
        artist: whose track it is; -1 where nobody said so.
        outcome: how the listen ended, where that is known.
    """

    listener: int
    session: int
    track: int
    before: int | None
    ended_at_ms: int
    artist: int = -1
    outcome: ListenOutcome | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What comes next?

    Attributes:
        listener: who asks; -1 for somebody never seen.
        session: the running session.
        tracks: what was played in it, the newest first; only tracks that were learned.
        now_ms: event time.
    """

    listener: int
    session: int
    tracks: Sequence[int]
    now_ms: int


class PlayMemory:
    """Counts, transitions, sessions and histories.

    Attributes:
        plays: how many were learned.
        known: indices of tracks lie below.
        counts: float64, plays per track; `top[:top_length]` are the tracks with most.
        artist_of: int32 per track, its artist, -1 where nobody said so.
        lately: plays that lose half their weight every day.
        followers: by track, how often each track came right after it.
        sessions: rows of tracks.
        listeners: histories.
        tastes: what listeners like by content.
        models: what baselines have built from it.
        by_track, by_row, totals, row_match: scratch of the kernels.
    """

    def __init__(self, max_sessions: int = 500_000) -> None:
        self.plays = 0
        self.known = 0
        self.counts: NDArray[np.float64] = np.zeros(MIN_CAPACITY)
        self.artist_of: NDArray[np.int32] = np.full(MIN_CAPACITY, -1, np.int32)
        self.top: NDArray[np.int64] = np.zeros(CANDIDATES, np.int64)
        self.top_length = 0
        self.lately = Popularity(DAY_MS, CANDIDATES)
        self.followers: dict[int, dict[int, int]] = {}
        self.sessions = SessionStore(max_sessions, ROW_LENGTH, ROWS_PER_TRACK)
        self.listeners: dict[int, ListenerMemory] = {}
        self.by_track = Scratch()
        self.totals = Scratch()
        self.by_row = Scratch(max_sessions)
        self.row_match: NDArray[np.int32] = np.zeros(max_sessions, np.int32)
        self.tastes = Tastes()
        self.models = BuiltModels()
        self._row_of: dict[int, int] = {}

    def learn(self, play: Play) -> None:
        """Take in a play."""
        self._make_room(play.track)
        self.plays += 1
        self.known = max(self.known, play.track + 1)
        if self.artist_of[play.track] < 0:
            self.artist_of[play.track] = play.artist
        self.tastes.learn(play.listener, play.track, play.artist, play.outcome, play.ended_at_ms)
        self.counts[play.track] += 1
        self.top_length = place_in_top(self.top, self.top_length, self.counts, play.track)
        self.lately.count(play.track, 1.0, play.ended_at_ms)
        if play.before is not None:
            row = self.followers.setdefault(play.before, {})
            row[play.track] = row.get(play.track, 0) + 1
        serial = self._row_of.get(play.session, -1)
        if not self.sessions.is_kept(serial):
            serial = self.sessions.open_row(play.session, play.listener)
        self._row_of[play.session] = self.sessions.listen(serial, play.track, 1.0, play.ended_at_ms)
        listener = self.listeners.setdefault(play.listener, ListenerMemory(play.listener))
        listener.remember(play.track, play.ended_at_ms, 1.0, HISTORY_LENGTH)

    @property
    def most_plays(self) -> float:
        """Plays of the most played track; 0 before the first."""
        return float(self.counts[self.top[0]]) if self.top_length else 0.0

    def _make_room(self, track: int) -> None:
        if track < len(self.counts):
            return
        capacity = 2 * max(track, len(self.counts))
        self.counts = np.concatenate([self.counts, np.zeros(capacity - len(self.counts))])
        self.artist_of = np.concatenate([self.artist_of, np.full(capacity - len(self.artist_of), -1, np.int32)])
        self.lately.grow(capacity)
        self.sessions.grow(capacity)
        self.by_track.grow(capacity)
        self.totals.grow(capacity)
