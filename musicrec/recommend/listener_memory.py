"""What one listener played, in order, and what that says about the next track.

Two scores are read off the history: what this listener plays after the current track (a habit), and what they play
often or lately (the base level of ACT-R, with the number of plays since as the clock).
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top

FIRST_ROOM: Final = 64
"""Plays that a new listener has room for."""
EXPLORATION_RATE: Final = 0.02
"""Weight of the newest play in the share of new ones: the last fifty or so decide."""
SCORED_SOURCES: Final = 6
"""The first sources have scores that mean something beyond their order."""
MAX_SESSION_TRACKS: Final = 100
"""Tracks of the running session that are kept; a snapshot has no more either."""


class HeardTrack(NamedTuple):
    """The last listen of a track in a session."""

    turned_away: float
    """Share of it that was skipped; 0 where it was heard out."""
    ended_at_s: int
    """Event time, epoch seconds."""


@dataclass(slots=True)
class ListenerMemory:
    """One listener.

    Attributes:
        number: int that no other listener has or had.
        tracks: int32, the history, oldest first; `length` of them are in use.
        ended_at_s: int32, end of each listen, epoch seconds.
        strengths: float32, what each listen counts as a positive.
        revision: the newest snapshot learned.
        newest_ms: the newest event time learned.
        session_id: session of the newest snapshot.
        session: tracks of that session in order of their last listen.
        session_plays: plays of that session.
        session_new: how many of them were new to the listener.
        exploration: share of plays that were new to the listener, lately.
        source_hits: float32 per scored source, share of its lists that held what was then played, lately.
        blocked_tracks: ids, as the newest snapshot has them.
        blocked_artists: ids, as the newest snapshot has them.
        discovery: where the dial stands in the newest snapshot; None where it was never set.
        market: where the listener is, as the newest snapshot has it; None where nobody said.
    """

    number: int
    tracks: NDArray[np.int32] = field(default_factory=lambda: np.zeros(FIRST_ROOM, np.int32))
    ended_at_s: NDArray[np.int32] = field(default_factory=lambda: np.zeros(FIRST_ROOM, np.int32))
    strengths: NDArray[np.float32] = field(default_factory=lambda: np.zeros(FIRST_ROOM, np.float32))
    length: int = 0
    revision: int = 0
    newest_ms: int = 0
    session_id: str | None = None
    session: dict[int, HeardTrack] = field(default_factory=dict)
    session_plays: int = 0
    session_new: int = 0
    exploration: float = 0.5
    source_hits: NDArray[np.float32] = field(default_factory=lambda: np.full(SCORED_SOURCES, 0.2, np.float32))
    blocked_tracks: tuple[str, ...] = ()
    blocked_artists: tuple[str, ...] = ()
    discovery: float | None = None
    market: str | None = None

    def begin_session(self, session_id: str | None) -> None:
        """Forget the tracks of the session before."""
        self.session_id = session_id
        self.session = {}
        self.session_plays = 0
        self.session_new = 0

    def hear(self, track: int, ended_at_ms: int, *, turned_away: float) -> None:
        """Put a listen at the end of the running session; call it before `remember`."""
        is_new = track not in self.tracks[: self.length]
        self.exploration += EXPLORATION_RATE * (is_new - self.exploration)
        self.session_plays += 1
        self.session_new += is_new
        self.session.pop(track, None)
        self.session[track] = HeardTrack(turned_away, ended_at_ms // 1000)
        if len(self.session) > MAX_SESSION_TRACKS:
            self.session.pop(next(iter(self.session)))

    def revalue(self, track: int, strength: float) -> None:
        """Change what the newest listen of `track` counts, after feedback."""
        places = np.flatnonzero(self.tracks[: self.length] == track)
        if len(places):
            self.strengths[places[-1]] = strength

    def remember(self, track: int, ended_at_ms: int, strength: float, max_length: int) -> None:
        """Put a listen into its place in time; the oldest quarter is forgotten when `max_length` are held."""
        if self.length == len(self.tracks):
            self._make_room(max_length)
        at = self.length
        ended_at_s = ended_at_ms // 1000
        while at > 0 and self.ended_at_s[at - 1] > ended_at_s:
            at -= 1
        if at < self.length:  # a late listen: the newer ones move up
            for values in (self.tracks, self.ended_at_s, self.strengths):
                values[at + 1 : self.length + 1] = values[at : self.length].copy()
        self.tracks[at] = track
        self.ended_at_s[at] = ended_at_s
        self.strengths[at] = strength
        self.length += 1

    def _make_room(self, max_length: int) -> None:
        if self.length >= max_length:
            forgotten = max(1, self.length // 4)
            kept = self.length - forgotten
            for values in (self.tracks, self.ended_at_s, self.strengths):
                values[:kept] = values[forgotten : self.length].copy()
            self.length = kept
            return
        more = min(len(self.tracks), max_length - len(self.tracks))
        self.tracks = np.concatenate([self.tracks, np.zeros(more, np.int32)])
        self.ended_at_s = np.concatenate([self.ended_at_s, np.zeros(more, np.int32)])
        self.strengths = np.concatenate([self.strengths, np.zeros(more, np.float32)])


@kernel
def habit_scores(
    history: NDArray[np.int32],
    ended_at_s: NDArray[np.int32],
    strengths: NDArray[np.float32],
    length: int,
    query: NDArray[np.int64],
    query_length: int,
    now_s: int,
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    longest_step: int,
    step_decay: float,
    antecedent_decay: float,
    context_bonus: float,
    gap_s: int,
    recency_s: float,
    recency_power: float,
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write what this listener plays after the tracks of `query`, best first; return how many.

    Args:
        history: the listener's plays, the oldest first; `length` of them count.
        ended_at_s: end of each, epoch seconds.
        strengths: what each counts as a positive.
        query: the tracks just played, the newest first; `query_length` of them count.
        now_s: event time, epoch seconds.
        longest_step: how many plays after an occurrence get a score.
        step_decay: factor per further play.
        antecedent_decay: factor per place back in `query`.
        context_bonus: what an occurrence counts more when the play before it is the query's next track too.
        gap_s: a play that ended more than this after the one before it starts afresh.
        recency_s: age at which an occurrence's weight has fallen to 2^-recency_power, seconds.
        recency_power: steepness of that fall.
    """
    touched = 0
    for place in range(query_length):
        track = query[place]
        before = query[place + 1] if place + 1 < query_length else -1
        weight = antecedent_decay**place
        for at in range(length - 1):
            if history[at] != track:
                continue
            age = max(0, now_s - ended_at_s[at]) / recency_s
            vote = weight * (1.0 + age) ** -recency_power
            if at > 0 and history[at - 1] == before:
                vote *= 1.0 + context_bonus
            for follower_at in range(at + 1, min(at + longest_step + 1, length)):
                if ended_at_s[follower_at] - ended_at_s[follower_at - 1] > gap_s:
                    break
                follower = history[follower_at]
                if follower == track:
                    break  # what comes next is that occurrence's own
                score = vote * strengths[follower_at]
                if score > 0.0:
                    if track_scores[follower] == 0.0:
                        track_touched[touched] = follower
                        touched += 1
                    track_scores[follower] += score
                vote *= step_decay
    return take_top(track_touched, touched, track_scores, limit, out_keys, out_scores)


@kernel
def base_level_scores(
    history: NDArray[np.int32],
    strengths: NDArray[np.float32],
    length: int,
    decay: NDArray[np.float64],
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write what this listener plays often or lately, best first; return how many.

    The base level of a track is the sum over its plays of (plays since)^-d.

    Source: Anderson and Lebiere's ACT-R; for music, Tran et al., "Transformers meet ACT-R", RecSys 2024.

    Args:
        history: the listener's plays, the oldest first; `length` of them count.
        strengths: what each counts as a positive.
        decay: float64, (plays since)^-d by plays since; older plays than it has places for do not count.
    """
    touched = 0
    for since in range(min(length, decay.shape[0])):
        at = length - 1 - since
        score = decay[since] * strengths[at]
        if score <= 0.0:
            continue
        track = history[at]
        if track_scores[track] == 0.0:
            track_touched[touched] = track
            touched += 1
        track_scores[track] += score
    return take_top(track_touched, touched, track_scores, limit, out_keys, out_scores)
