"""How far candidates kept company with the session's tracks in the listener's own past, in whatever order.

`successions` follow the order in which tracks were played; a shuffle has none, but its tracks come from one shelf.
Walking through the listener's plays, the tracks of the session leave an activity behind that fades with every further
play and ends where a sitting ends; a track keeps company as far as it is played in it.  The walk goes both ways.

As a source of candidates of its own it proposes more of what comes (0.72 of the repeats among its first hundred, where
`listener_memory.habit_scores` has 0.69), but nothing that the ranker then finds.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel

COMPANY_FEATURES: Final = 16
DAY_S: Final = 86_400
SAME_HOUR_S: Final = 2 * 3_600
NEAR_DECAY: Final = 0.7
FAR_DECAY: Final = 0.95
CURRENT_DECAY: Final = 0.9
"""Of the activity that the current track alone leaves behind."""
PLACE_DECAY: Final = 0.8
"""Per place back in the session, for features."""
FEATURE_TRACKS: Final = 10
"""Newest tracks of the session that leave an activity, for features."""


@kernel
def write_company(
    listed: NDArray[np.int64],
    count: int,
    session: NDArray[np.int64],
    session_length: int,
    history: NDArray[np.int32],
    ended_at_s: NDArray[np.int32],
    history_length: int,
    longest_look: int,
    gap_s: int,
    now_s: int,
    place_of: NDArray[np.int16],
    weight_of: NDArray[np.float32],
    column: int,
    out: NDArray[np.float32],
) -> None:
    """Write COMPANY_FEATURES columns of `out` from `column` on.

    Per direction the activity near, far, and of the current track alone; their share and mean; plays at this hour of
    the day; and how far from the current track's own last play the candidate's last one lies.

    Args:
        listed: candidates, `count` of them.
        session: tracks of the session, the newest first.
        history, ended_at_s: the listener's plays, the oldest first; `history_length` in use.
        longest_look: only the newest so many are walked through.
        gap_s: a play that ended more than this after the one before it began a new sitting.
        now_s: event time, epoch seconds.
        place_of, weight_of: scratch per track, 0 before and after.
    """
    for i in range(count):
        place_of[listed[i]] = i + 1
    recent = min(FEATURE_TRACKS, session_length)
    for place in range(recent):
        weight_of[session[place]] = PLACE_DECAY**place
    first = max(0, history_length - longest_look)
    current = session[0]
    sums = np.zeros((count, 6), np.float32)
    last_at = np.zeros(count, np.int32)
    at_this_hour = np.zeros(count, np.float32)
    plays = np.zeros(count, np.float32)
    before = -1  # where the current track was played last before this session
    for at in range(first, history_length - session_length):
        if history[at] == current:
            before = at
    for is_back in range(2):
        near, far, of_current = 0.0, 0.0, 0.0
        for step in range(history_length - first):
            at = history_length - 1 - step if is_back else first + step
            later = at + 1 if is_back else at
            if step > 0 and ended_at_s[later] - ended_at_s[later - 1] > gap_s:
                near, far, of_current = 0.0, 0.0, 0.0
            track = history[at]
            i = place_of[track] - 1
            if i >= 0:
                sums[i, 3 * is_back] += near
                sums[i, 3 * is_back + 1] += far
                sums[i, 3 * is_back + 2] += of_current
                if not is_back:
                    last_at[i] = at
                    plays[i] += 1.0
                    away = abs(ended_at_s[at] - now_s) % DAY_S
                    if min(away, DAY_S - away) < SAME_HOUR_S:
                        at_this_hour[i] += 1.0
            near = near * NEAR_DECAY + weight_of[track]
            far = far * FAR_DECAY + weight_of[track]
            of_current = of_current * CURRENT_DECAY + (1.0 if track == current else 0.0)
    for place in range(recent):
        weight_of[session[place]] = 0.0
    for i in range(count):
        place_of[listed[i]] = 0
        row = out[i]
        for each in range(COMPANY_FEATURES):
            row[column + each] = 0.0
        if plays[i] > 0.0:
            for each in range(6):
                row[column + each] = math.log1p(sums[i, each]) / 2.0
            total = sums[i, 1] + sums[i, 4]
            row[column + 6] = total / (total + 2.0)
            row[column + 7] = total / plays[i] / 4.0
            row[column + 8] = at_this_hour[i] / plays[i]
            row[column + 9] = math.log1p(at_this_hour[i]) / 3.0
            if before >= 0:
                away = last_at[i] - before
                row[column + 10] = 1.0 / away if away > 0 else 0.0
                row[column + 11] = math.exp(-abs(away) / 10.0)
                row[column + 12] = math.exp(-abs(away) / 60.0)
                row[column + 13] = math.exp(-abs(away) / 400.0)
                row[column + 14] = 1.0 if away > 0 else 0.0
        row[column + 15] = 1.0 if before >= 0 else 0.0
