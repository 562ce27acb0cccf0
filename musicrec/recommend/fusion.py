"""One order out of several: weighted reciprocal-rank fusion.

score(track) = sum over sources of weight / (c + rank), rank from 1.

Source: Cormack, Clarke, Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
methods", SIGIR 2009; the weights are ours, chosen on validation data.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ReasonCode
from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


class Source(IntEnum):
    """Where candidates come from; the value is the row of the source in every matrix here."""

    SESSION_KNN = 0
    SEQUENTIAL_RULES = 1
    LISTENER_HABIT = 2
    LISTENER_MEMORY = 3
    SAME_ARTIST = 4
    SESSION_ENCODER = 5
    AUDIO_NEIGHBOURS = 6
    METADATA_NEIGHBOURS = 7
    POPULAR = 8
    NEW = 9

    @property
    def label(self) -> str:
        """Name in a published list."""
        return self.name.lower()


REASONS = {
    Source.SESSION_KNN: ReasonCode.SESSIONS_LIKE_THIS,
    Source.SEQUENTIAL_RULES: ReasonCode.OFTEN_NEXT,
    Source.LISTENER_HABIT: ReasonCode.YOUR_HABIT,
    Source.LISTENER_MEMORY: ReasonCode.YOU_PLAY_THIS,
    Source.SAME_ARTIST: ReasonCode.SAME_ARTIST,
    Source.SESSION_ENCODER: ReasonCode.GOES_WITH_THIS,
    Source.AUDIO_NEIGHBOURS: ReasonCode.SOUNDS_LIKE,
    Source.METADATA_NEIGHBOURS: ReasonCode.SIMILAR_DESCRIPTION,
    Source.POPULAR: ReasonCode.POPULAR_NOW,
    Source.NEW: ReasonCode.NEW_HERE,
}
"""What an item's strongest source says to the listener."""

IN_SESSION = 1
"""Bit of a track's mark: heard in this session."""
EXCLUDED = 2
"""Bit of a track's mark, or of an artist's: must not be in the list."""
CAUSE_SHIFT = np.int64(2)
"""Above these bits stands the `Cause` of an exclusion."""


class Cause(IntEnum):
    """Why a track must not be listed; the value is its place among the counts."""

    PLAYING = 0
    SKIPPED = 1
    BLOCKED = 2
    ARTIST_BLOCKED = 3
    REMOVED = 4
    RULED_OUT = 5


_ARTIST_BLOCKED = np.int64(Cause.ARTIST_BLOCKED)
_REMOVED = np.int64(Cause.REMOVED)


def excluded_for(cause: Cause) -> int:
    """Return the mark of a track that must not be listed.

    >>> excluded_for(Cause.SKIPPED) & EXCLUDED
    2
    """
    return EXCLUDED | cause << int(CAUSE_SHIFT)


@kernel
def fuse(
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
    rank_constant: float,
    marks: NDArray[np.uint8],
    artist_marks: NDArray[np.uint8],
    artist_of: NDArray[np.int32],
    flags: NDArray[np.uint8],
    repeat_factor: float,
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    excluded: NDArray[np.int64],
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the fused candidates that may be listed, best first; return how many.

    Args:
        keys: int64, shape (sources, candidates), each row best first.
        counts: candidates in use per source.
        weights: per source.
        rank_constant: c; the smaller, the more the first ranks count.
        marks: per track, IN_SESSION, EXCLUDED and above them the cause.
        artist_marks: per artist, EXCLUDED.
        artist_of: per track, the artist or -1.
        flags: per track, bit 1 when it was removed from the catalogue.
        repeat_factor: factor on tracks heard in this session.
        track_scores: scratch per track, 0 before and after; below 0 is one that was counted as excluded.
        excluded: per cause, gets the number of proposed tracks that may not be listed.
    """
    touched = 0
    excluded[:] = 0
    for source in range(keys.shape[0]):
        if weights[source] <= 0.0:
            continue
        for i in range(counts[source]):
            track = keys[source, i]
            if track_scores[track] < 0.0:
                continue
            artist = artist_of[track]
            cause = np.int64(-1)
            if marks[track] & EXCLUDED:
                cause = np.int64(marks[track]) >> CAUSE_SHIFT
            elif flags[track] & 1:
                cause = _REMOVED
            elif artist >= 0 and artist_marks[artist] & EXCLUDED:
                cause = _ARTIST_BLOCKED
            if track_scores[track] == 0.0:
                track_touched[touched] = track
                touched += 1
            if cause >= 0:
                track_scores[track] = -1.0
                excluded[cause] += 1
                continue
            track_scores[track] += weights[source] / (rank_constant + 1.0 + i)
    for i in range(touched):
        track = track_touched[i]
        if marks[track] & IN_SESSION:
            track_scores[track] *= repeat_factor
    return take_top(track_touched, touched, track_scores, limit, out_keys, out_scores)


@kernel
def ranks_of(
    listed: NDArray[np.int64],
    listed_count: int,
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    place_of: NDArray[np.float64],
    out_ranks: NDArray[np.int32],
) -> None:
    """Write into `out_ranks`, shape (listed, sources), the rank of each listed track in each source; 0 for none.

    `place_of` is scratch per track, 0 before and after.
    """
    for i in range(listed_count):
        place_of[listed[i]] = i + 1.0
        for source in range(keys.shape[0]):
            out_ranks[i, source] = 0
    for source in range(keys.shape[0]):
        for i in range(counts[source]):
            place = int(place_of[keys[source, i]])
            if place > 0 and out_ranks[place - 1, source] == 0:
                out_ranks[place - 1, source] = i + 1
    for i in range(listed_count):
        place_of[listed[i]] = 0.0
