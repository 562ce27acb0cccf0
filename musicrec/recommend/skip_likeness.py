"""How far a candidate is like what was skipped in this session, and like what was heard out.

A skip speaks of more than its track: of the artist, of what is played in the same company, of what sounds the same.
The less of it was heard, the more it says.  The ranker and the skip forecast see both sides, since a skip among ten
listens of one artist says little of that artist.

Sources: Montecchio, Roy, Pachet, "The skipping behavior of users of music streaming services and its relation to
musical structure", PLOS ONE 2020 (where a track is skipped tells why); Gong, Zhu, "Positive, negative and neutral:
modeling implicit feedback in session-based news recommendation", SIGIR 2022 (likeness to what was passed over).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ListenOutcome, SessionEntry
from musicrec.kernel import fast_kernel

SKIP_FEATURES: Final = 6
LOOK: Final = 10
"""Newest tracks of the session that candidates are likened to."""
PLACE_DECAY: Final = 0.85
"""Per place back in the session."""
EARLY: Final = 0.9
LATE: Final = 0.5
"""Share of a skipped track that was not heard, where its duration is not known."""
LEAST: Final = 0.05
"""Of a skip, however late."""


def turned_away(entry: SessionEntry) -> float:
    """Return which share of a track was turned away: 0 where it was not skipped.

    >>> from musicrec.contracts import ListenOutcome, SessionEntry
    >>> entry = SessionEntry(track_id="a", listens=1, outcome=ListenOutcome.SKIPPED_EARLY, ms_played=30_000,
    ...     played_fraction=0.125, ended_at_ms=1_700_000_000_000)
    >>> turned_away(entry)
    0.875
    """
    if not entry.outcome.is_skip:
        return 0.0
    if entry.played_fraction is not None:
        return max(LEAST, 1.0 - entry.played_fraction)
    return EARLY if entry.outcome is ListenOutcome.SKIPPED_EARLY else LATE


@fast_kernel
def write_skip_likeness(
    artists: NDArray[np.int32],
    encoded: NDArray[np.float32],
    sounds: NDArray[np.float32],
    session_artists: NDArray[np.int32],
    session_encoded: NDArray[np.float32],
    session_sounds: NDArray[np.float32],
    away: NDArray[np.float32],
    column: int,
    out: NDArray[np.float32],
) -> None:
    """Write SKIP_FEATURES columns of `out` from `column` on, for as many candidates as there are `artists`.

    In pairs for what was skipped and what was heard out: plays of the candidate's artist, and the nearest by the
    encoder's vectors and by sound; all of them fade with each place back in the session.

    Args:
        artists: of the candidates, -1 where it is not known.
        encoded, sounds: their unit vectors, shape (candidates, dimension); a row of zeros, or no column, for none.
        session_artists, session_encoded, session_sounds: the same of the session's tracks, the newest first.
        away: float32, which share of each of these was turned away, 0 where it was heard out.
    """
    for i in range(len(artists)):
        row = out[i]
        for each in range(SKIP_FEATURES):
            row[column + each] = 0.0
        weight = 1.0
        for place in range(len(away)):
            is_skip = away[place] > 0.0
            side = column if is_skip else column + 1
            share = np.float32(weight) * (away[place] if is_skip else np.float32(1.0))
            if artists[i] >= 0 and artists[i] == session_artists[place]:
                row[side] += share / np.float32(2.0)
            row[side + 2] = max(row[side + 2], share * cosine(encoded[i], session_encoded[place]))
            row[side + 4] = max(row[side + 4], share * cosine(sounds[i], session_sounds[place]))
            weight *= PLACE_DECAY


@fast_kernel
def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> np.float32:
    """Return the cosine of two unit vectors; 0 where one is all zeros."""
    total = np.float32(0.0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@fast_kernel
def clear_skip_likeness(count: int, column: int, out: NDArray[np.float32]) -> None:
    """Write 0 into the columns that `write_skip_likeness` fills."""
    for i in range(count):
        for each in range(SKIP_FEATURES):
            out[i, column + each] = 0.0
