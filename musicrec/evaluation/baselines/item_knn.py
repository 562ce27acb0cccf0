"""Tracks that share sessions with the tracks just played.

Source: Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering recommendation algorithms", WWW 2001
(cosine); for sessions, Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking
from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


@dataclass(frozen=True, slots=True)
class ItemKnn:
    """Cosine of two tracks' sessions, added up over the newest tracks of the running one."""

    tracks: int = 5
    place_decay: float = 0.6
    rows_per_track: int = 2_048

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks that are most like those of the session."""
        keys, scores = np.zeros(CANDIDATES, np.int64), np.zeros(CANDIDATES)
        store = memory.sessions
        count = cosine_scores(
            np.array(list(dict.fromkeys(question.tracks))[: self.tracks], np.int64),
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
            self.rows_per_track,
            self.place_decay,
            keys,
            scores,
        )
        return keys[:count], scores[:count]


@kernel
def cosine_scores(
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
    place_decay: float,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the tracks most like those of `query`, best first; return how many.

    cosine(a, b) = rows that hold both / sqrt(rows that hold a · rows that hold b)

    Args:
        query: newest tracks of the session, the newest first, each once.
        own_session: number of the running session, whose rows do not count.
        newest_rows: rows looked at per track of the query.
        place_decay: factor per place back in the session.
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
                if other == track:
                    continue
                if track_scores[other] == 0.0:
                    track_touched[touched] = other
                    touched += 1
                share = place_decay**place / math.sqrt(float(written) * float(posting_written[other]))
                track_scores[other] += share
    return take_top(track_touched, touched, track_scores, out_keys.shape[0], out_keys, out_scores)
