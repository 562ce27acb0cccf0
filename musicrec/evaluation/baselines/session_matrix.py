"""Sessions times tracks as a sparse matrix, and which tracks share a session with those just played."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import Incompatible
from musicrec.evaluation.play_memory import PlayMemory, Question
from musicrec.kernel import kernel


def session_matrix(memory: PlayMemory) -> Any:
    """Return a `scipy.sparse.csr_matrix`, float32, shape (sessions, tracks): 1 where the session holds the track.

    Running sessions are rows as far as they have come.

    Raises:
        Incompatible: scipy is missing.
    """
    try:
        from scipy.sparse import csr_matrix
    except ModuleNotFoundError:
        raise Incompatible("baselines of factors need scipy: pip install 'musicrec[bench]'") from None
    store = memory.sessions
    used = min(store.next_serial, store.rows)
    lengths = store.lengths[:used]
    held = np.arange(store.row_length) < lengths[:, np.newaxis]
    columns = store.tracks[:used][held]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(used, memory.known))


def weights_by_place(tracks: Sequence[int], place_decay: float, longest: int) -> dict[int, float]:
    """Return the weight of each track of a session, that of the newest being 1; `tracks` are the newest first.

    >>> weights_by_place([7, 9, 7, 8], 0.5, 20)
    {7: 1.0, 9: 0.5, 8: 0.25}
    """
    return {track: place_decay**place for place, track in enumerate(list(dict.fromkeys(tracks))[:longest])}


def companions(memory: PlayMemory, question: Question, query: Sequence[int], rows_per_track: int) -> NDArray[np.int64]:
    """Return the tracks that share a session with one of `query`, the running session aside.

    Args:
        rows_per_track: newest rows looked at for each track of the query.
    """
    store = memory.sessions
    count = share_a_row(
        np.array(query, np.int64),
        question.session,
        store.tracks,
        store.lengths,
        store.session,
        store.next_serial,
        store.rows_of.values,
        store.rows_of.start,
        store.rows_of.room,
        store.rows_of.written,
        memory.by_track.scores,
        memory.by_track.touched,
        rows_per_track,
    )
    return memory.by_track.touched[:count].copy()


@kernel
def share_a_row(
    query: NDArray[np.int64],
    own_session: int,
    tracks: NDArray[np.int32],
    lengths: NDArray[np.int32],
    session: NDArray[np.int64],
    next_serial: int,
    posting_values: NDArray[np.int64],
    posting_start: NDArray[np.int64],
    posting_room: NDArray[np.int32],
    posting_written: NDArray[np.int64],
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    newest_rows: int,
) -> int:
    """Write the tracks of the rows that hold a track of `query` to `track_touched`; return how many.

    Args:
        own_session: number of the running session, whose rows do not count.
        newest_rows: rows looked at per track of the query.
    """
    rows = lengths.shape[0]
    oldest = next_serial - rows
    touched = 0
    for place in range(query.shape[0]):
        track = query[place]
        room = posting_room[track]
        if room == 0:
            continue
        written = posting_written[track]
        for i in range(min(written, room, newest_rows)):
            serial = posting_values[posting_start[track] + (written - 1 - i) % room]
            row = serial % rows
            if serial < oldest or session[row] == own_session:
                continue
            for at in range(lengths[row]):
                other = tracks[row, at]
                if track_scores[other] == 0.0:
                    track_scores[other] = 1.0
                    track_touched[touched] = other
                    touched += 1
    for i in range(touched):
        track_scores[track_touched[i]] = 0.0
    return touched
