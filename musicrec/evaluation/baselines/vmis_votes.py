"""Plain session-kNN for comparison: VMIS-kNN.

Source: Kersbergen, Sprangers, Schelter, "Serenade: low-latency session-based recommendation in e-commerce at scale",
SIGMOD 2022, algorithm 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


@kernel
def vmis_votes(
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
    row_scores: NDArray[np.float64],
    row_touched: NDArray[np.int64],
    row_match: NDArray[np.int32],
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    neighbour_scores: NDArray[np.float64],
    newest_rows: int,
    idf_weight: float,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the tracks of the nearest sessions, best first; return how many.

    A neighbour's similarity is the sum of linear position weights of the matched tracks; its vote is that times
    1 - 0.1 · (place of the newest match) and is weighed by the rarity of the track that gets it.

    Args:
        query: newest tracks of the session, the newest first.
        own_session: number of the evolving session, which is no neighbour.
        newest_rows: m, sessions looked at per track; the length of `neighbours` is k.
        idf_weight: how much rarity adds to a vote.
    """
    rows = lengths.shape[0]
    oldest = next_serial - rows
    touched = 0
    for place in range(query.shape[0]):
        track = query[place]
        room = posting_room[track]
        if room == 0:
            continue
        weight = (query.shape[0] - place) / query.shape[0]
        written = posting_written[track]
        for i in range(min(written, room, newest_rows)):
            serial = posting_values[posting_start[track] + (written - 1 - i) % room]
            row = serial % rows
            if serial < oldest or session[row] == own_session:
                continue
            if row_scores[row] == 0.0:
                row_touched[touched] = row
                touched += 1
                row_match[row] = place
            row_scores[row] += weight
    kept = take_top(row_touched, touched, row_scores, neighbours.shape[0], neighbours, neighbour_scores)
    voted = 0
    sessions = float(max(1, min(next_serial, rows)))
    for i in range(kept):
        row = neighbours[i]
        vote = neighbour_scores[i] * (1.0 - 0.1 * (row_match[row] + 1))
        for at in range(lengths[row]):
            track = tracks[row, at]
            if track_scores[track] == 0.0:
                track_touched[voted] = track
                voted += 1
            track_scores[track] += vote
    for i in range(voted):
        track = track_touched[i]
        track_scores[track] *= 1.0 + idf_weight * math.log(max(1.0, sessions / max(1, posting_written[track])))
    return take_top(track_touched, voted, track_scores, out_keys.shape[0], out_keys, out_scores)
