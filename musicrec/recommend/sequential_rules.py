"""Sequential rules: what follows the tracks just played, in the sessions of everybody.

A rule `a ▸ b` gets 1 / d from every session that plays b d places after a.  The rules of the newest tracks of the
evolving session are added up, each row divided by the square root of its sum, older tracks with decay.  The rules are
read off the stored sessions when they are asked for, so there is no second structure to keep in step.

Source: Kamehkhosh, Jannach, Ludewig, "A comparison of frequent pattern techniques and a deep learning method for
session-based recommendation", RecTemp at RecSys 2017 (SR); several antecedents and the row norm are ours.
"""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


@kernel
def rule_scores(
    query: NDArray[np.int64],
    query_length: int,
    session_length: int,
    own_session: int,
    now_ms: int,
    # the session store
    tracks: NDArray[np.int32],
    strengths: NDArray[np.float32],
    lengths: NDArray[np.int32],
    ended_at_ms: NDArray[np.int64],
    session: NDArray[np.int64],
    next_serial: int,
    posting_values: NDArray[np.int64],
    posting_start: NDArray[np.int64],
    posting_room: NDArray[np.int32],
    posting_written: NDArray[np.int64],
    # scratch
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    total_scores: NDArray[np.float64],
    total_touched: NDArray[np.int64],
    # settings
    newest_rows: int,
    longest_step: int,
    antecedent_decay: float,
    recency_ms: float,
    recency_power: float,
    repeat_factor: float,
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the tracks that follow most, best first; return how many.

    Args:
        query: tracks of the evolving session, the newest first.
        query_length: how many of them are antecedents.
        session_length: how many of them are the evolving session.
        own_session: number of the evolving session, which makes no rules for itself.
        now_ms: event time, epoch milliseconds.
        newest_rows: sessions looked at per antecedent.
        longest_step: most places between antecedent and follower.
        antecedent_decay: factor per place back in the evolving session.
        recency_ms: age at which a session's weight has fallen to 2^-recency_power, milliseconds.
        recency_power: steepness of that fall.
        repeat_factor: factor on the scores of tracks of the evolving session.
    """
    rows = lengths.shape[0]
    oldest = next_serial - rows
    found = 0
    for place in range(query_length):
        track = query[place]
        room = posting_room[track]
        if room == 0:
            continue
        written = posting_written[track]
        start = posting_start[track]
        touched = 0
        total = 0.0
        for i in range(min(written, room, newest_rows)):
            serial = posting_values[start + (written - 1 - i) % room]
            if serial < oldest:
                continue
            row = serial % rows
            if session[row] == own_session:
                continue
            length = lengths[row]
            at = 0
            while at < length and tracks[row, at] != track:
                at += 1
            fresh = (1.0 + max(0, now_ms - ended_at_ms[row]) / recency_ms) ** -recency_power
            for step in range(1, min(longest_step, length - 1 - at) + 1):
                weight = fresh * strengths[row, at + step] / step
                if weight <= 0.0:
                    continue
                follower = tracks[row, at + step]
                if track_scores[follower] == 0.0:
                    track_touched[touched] = follower
                    touched += 1
                track_scores[follower] += weight
                total += weight
        norm = antecedent_decay**place / math.sqrt(total) if total > 0.0 else 0.0
        for i in range(touched):
            follower = track_touched[i]
            if total_scores[follower] == 0.0:
                total_touched[found] = follower
                found += 1
            total_scores[follower] += norm * track_scores[follower]
            track_scores[follower] = 0.0
    for place in range(session_length):
        total_scores[query[place]] *= repeat_factor
    return take_top(total_touched, found, total_scores, limit, out_keys, out_scores)
