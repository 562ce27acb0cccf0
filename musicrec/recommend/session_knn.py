"""Session-kNN: sessions that hold tracks of this one vote for what they hold beside them.

Of the VMIS-kNN / VSTAN family.  A neighbour's similarity is the weighted cosine of the two track sets; it decays with
the place of the matched track in the evolving session and with the neighbour's age.  A neighbour's vote decays with the
distance from its matched track and is weaker before that track than behind it.  The matched track itself votes at
distance 0: whether the current track may be recommended is a matter of policy, not of the score.

Source: Ludewig, Mauro, Latifi, Jannach, "Empirical analysis of session-based recommendation algorithms", UMUAI 2020
(VSTAN); Kersbergen, Sprangers, Schelter, "Serenade", SIGMOD 2022 (newest sessions per track).
"""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


@kernel
def knn_votes(
    query: NDArray[np.int64],
    query_length: int,
    own_session: int,
    listener: int,
    now_ms: int,
    # the session store
    tracks: NDArray[np.int32],
    strengths: NDArray[np.float32],
    lengths: NDArray[np.int32],
    ended_at_ms: NDArray[np.int64],
    session: NDArray[np.int64],
    row_listener: NDArray[np.int64],
    next_serial: int,
    posting_values: NDArray[np.int64],
    posting_start: NDArray[np.int64],
    posting_room: NDArray[np.int32],
    posting_written: NDArray[np.int64],
    # scratch
    row_scores: NDArray[np.float64],
    row_touched: NDArray[np.int64],
    row_match: NDArray[np.int32],
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    neighbour_scores: NDArray[np.float64],
    # settings
    newest_rows: int,
    position_decay: float,
    match_decay: float,
    distance_decay: float,
    before_match: float,
    idf_weight: float,
    recency_ms: float,
    recency_power: float,
    own_listener_boost: float,
    repeat_factor: float,
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the tracks with the most votes, best first; return how many.

    Args:
        query: tracks of the evolving session, the newest first.
        query_length: how many of them count.
        own_session: number of the evolving session, whose rows are no neighbours.
        listener: number of the listener, whose own older sessions count `own_listener_boost` times.
        now_ms: event time, epoch milliseconds.
        newest_rows: rows looked at per track of the query.
        position_decay: places in the evolving session over which a match loses a factor e.
        match_decay: the same for the newest matched track alone.
        distance_decay: places in the neighbour over which a vote loses a factor e.
        before_match: what a vote for a track before the matched one counts.
        idf_weight: how much rarity, log(sessions / sessions that hold the track), adds to a vote.
        recency_ms: age at which a neighbour's weight has fallen to 2^-recency_power, milliseconds.
        recency_power: steepness of that fall, (1 + age / recency_ms)^-recency_power.
        repeat_factor: factor on the votes for tracks of the query itself.
    """
    rows = lengths.shape[0]
    oldest = next_serial - rows
    touched = 0
    for place in range(query_length):
        track = query[place]
        room = posting_room[track]
        if room == 0:
            continue
        weight = math.exp(-place / position_decay)
        written = posting_written[track]
        start = posting_start[track]
        for i in range(min(written, room, newest_rows)):
            serial = posting_values[start + (written - 1 - i) % room]
            if serial < oldest:
                continue
            row = serial % rows
            if session[row] == own_session:
                continue
            if row_scores[row] == 0.0:
                row_touched[touched] = row
                touched += 1
                row_match[row] = place
            row_scores[row] += weight
    for i in range(touched):
        row = row_touched[i]
        age = max(0, now_ms - ended_at_ms[row]) / recency_ms
        score = row_scores[row] / math.sqrt(lengths[row]) * (1.0 + age) ** -recency_power
        if row_listener[row] == listener:
            score *= own_listener_boost
        row_scores[row] = score
    kept = take_top(row_touched, touched, row_scores, neighbours.shape[0], neighbours, neighbour_scores)
    nearness = np.exp(-np.arange(tracks.shape[1]) / distance_decay)  # by distance: e to the power is dear
    voted = 0
    for i in range(kept):
        row = neighbours[i]
        length = lengths[row]
        matched_track = query[row_match[row]]
        matched_at = 0
        for at in range(length):
            if tracks[row, at] == matched_track:
                matched_at = at
        base = neighbour_scores[i] * math.exp(-row_match[row] / match_decay)
        for at in range(length):
            strength = strengths[row, at]
            if strength <= 0.0:
                continue
            distance = at - matched_at
            vote = base * strength * nearness[abs(distance)]
            if distance < 0:
                vote *= before_match
            track = tracks[row, at]
            if track_scores[track] == 0.0:
                track_touched[voted] = track
                voted += 1
            track_scores[track] += vote
    sessions = float(max(1, min(next_serial, rows)))
    if idf_weight > 0.0:
        for i in range(voted):
            track = track_touched[i]
            track_scores[track] *= 1.0 + idf_weight * math.log(max(1.0, sessions / max(1, posting_written[track])))
    for place in range(query_length):
        track_scores[query[place]] *= repeat_factor
    return take_top(track_touched, voted, track_scores, limit, out_keys, out_scores)
