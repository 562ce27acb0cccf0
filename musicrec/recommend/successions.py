"""What came right after the current track before: how often, how lately, and how much before it was the same.

The longer the stretch that is being played again, the surer what comes next: a prediction suffix tree of one query.

Sources: Ron, Singer, Tishby, "The power of amnesia", 1996; Mi, Faltings, "Context tree for adaptive session-based
recommendation", 2018, which has the best reciprocal rank on two music sets of Ludewig et al., UMUAI 2020.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel

LONGEST_MATCH: Final = 8
"""Tracks compared, the current one included."""
OWN_FEATURES: Final = 8
OTHERS_FEATURES: Final = 6


@kernel
def write_own_successions(
    listed: NDArray[np.int64],
    count: int,
    session: NDArray[np.int64],
    session_length: int,
    history: NDArray[np.int32],
    ended_at_s: NDArray[np.int32],
    history_length: int,
    longest_look: int,
    gap_s: int,
    place_of: NDArray[np.int16],
    column: int,
    out: NDArray[np.float32],
) -> None:
    """Write OWN_FEATURES columns of `out` from `column` on: what followed in the listener's own plays.

    Args:
        listed: candidates, `count` of them.
        session: tracks of the session, the newest first.
        history, ended_at_s: the listener's plays, the oldest first; `history_length` in use.
        longest_look: only the newest so many are looked at.
        gap_s: a play that ended more than this after the one before it followed nothing.
        place_of: scratch per track, 0 before and after.
    """
    counts = np.zeros(count, np.float32)
    matches = np.zeros(count, np.int32)
    last_at = np.full(count, -1, np.int32)
    for i in range(count):
        place_of[listed[i]] = i + 1
    current = session[0]
    first = max(0, history_length - longest_look)
    occurrences, best, newest = 0, 0, -1
    for at in range(first + 1, history_length):
        if history[at - 1] != current or ended_at_s[at] - ended_at_s[at - 1] > gap_s or history[at] == current:
            continue
        match = 1
        while (
            match < min(LONGEST_MATCH, session_length)
            and at - 1 - match >= first
            and history[at - 1 - match] == session[match]
        ):
            match += 1
        occurrences += 1
        best = max(best, match)
        newest = at
        i = place_of[history[at]] - 1
        if i >= 0:
            counts[i] += 1.0
            matches[i] = max(matches[i], match)
            last_at[i] = at
    for i in range(count):
        place_of[listed[i]] = 0
        row = out[i]
        row[column + 6] = math.log1p(occurrences) / 3.0
        row[column + 7] = best / LONGEST_MATCH
        for each in range(6):
            row[column + each] = 0.0
        if matches[i]:
            row[column] = counts[i] / occurrences
            row[column + 1] = math.log1p(counts[i]) / 2.0
            row[column + 2] = matches[i] / LONGEST_MATCH
            row[column + 3] = 1.0 if matches[i] == best else 0.0
            row[column + 4] = 1.0 - math.log(history_length - last_at[i]) / 9.1
            row[column + 5] = 1.0 if last_at[i] == newest else 0.0


@kernel
def write_others_successions(
    listed: NDArray[np.int64],
    count: int,
    session: NDArray[np.int64],
    session_length: int,
    own_session: int,
    own_listener: int,
    # the session store
    tracks: NDArray[np.int32],
    lengths: NDArray[np.int32],
    session_of: NDArray[np.int64],
    listener_of: NDArray[np.int64],
    next_serial: int,
    posting_values: NDArray[np.int64],
    posting_start: NDArray[np.int64],
    posting_room: NDArray[np.int32],
    posting_written: NDArray[np.int64],
    newest_rows: int,
    place_of: NDArray[np.int16],
    column: int,
    out: NDArray[np.float32],
) -> None:
    """Write OTHERS_FEATURES columns of `out` from `column` on: what followed in the newest sessions of others.

    Args:
        listed, count, session, place_of: see `write_own_successions`.
        own_session: rows of this session are passed over.
        own_listener: and those of this listener; -1 where none is known.
        newest_rows: sessions looked at.
    """
    counts = np.zeros(count, np.float32)
    matches = np.zeros(count, np.int32)
    for i in range(count):
        place_of[listed[i]] = i + 1
    current = session[0]
    room = posting_room[current]
    rows = lengths.shape[0]
    written, start = posting_written[current], posting_start[current]
    occurrences, best = 0, 0
    for i in range(min(written, room, newest_rows)):
        serial = posting_values[start + (written - 1 - i) % room]
        if serial < next_serial - rows:
            continue
        row = serial % rows
        if session_of[row] == own_session or (own_listener >= 0 and listener_of[row] == own_listener):
            continue
        length = lengths[row]
        at = 0
        while at < length and tracks[row, at] != current:
            at += 1
        if at + 1 >= length:
            continue
        match = 1
        while (
            match < min(LONGEST_MATCH, session_length) and at - match >= 0 and tracks[row, at - match] == session[match]
        ):
            match += 1
        occurrences += 1
        best = max(best, match)
        candidate = place_of[tracks[row, at + 1]] - 1
        if candidate >= 0:
            counts[candidate] += 1.0
            matches[candidate] = max(matches[candidate], match)
    for i in range(count):
        place_of[listed[i]] = 0
        features = out[i]
        features[column + 4] = math.log1p(occurrences) / 3.0
        features[column + 5] = best / LONGEST_MATCH
        for each in range(4):
            features[column + each] = 0.0
        if matches[i]:
            features[column] = counts[i] / occurrences
            features[column + 1] = math.log1p(counts[i]) / 2.0
            features[column + 2] = matches[i] / LONGEST_MATCH
            features[column + 3] = 1.0 if matches[i] == best else 0.0
