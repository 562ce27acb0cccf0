"""What the ranker sees of each candidate: its place in every source, the listener's past with it, and the session.

Every feature is of the order of 1.  A source gives five: whether it proposes the track, two rank weights, the score
beside the source's best one, and the square root of its share of the source's scores.  The session encoder, where there
is one, scores every candidate, its own or not.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.fusion import Source
from musicrec.recommend.listener_company import COMPANY_FEATURES
from musicrec.recommend.listener_memory import SCORED_SOURCES
from musicrec.recommend.skip_likeness import SKIP_FEATURES
from musicrec.recommend.successions import OTHERS_FEATURES, OWN_FEATURES

RANKED_SOURCES: Final = len(Source) - SCORED_SOURCES
PER_SCORED: Final = 5
PAST_FEATURES: Final = 23
CONTEXT_FEATURES: Final = 10 + SCORED_SOURCES
ENCODER_FEATURES: Final = 3
OWN_COLUMN: Final = (
    PER_SCORED * SCORED_SOURCES + 2 * RANKED_SOURCES + PAST_FEATURES + CONTEXT_FEATURES + ENCODER_FEATURES
)
OTHERS_COLUMN: Final = OWN_COLUMN + OWN_FEATURES
COMPANY_COLUMN: Final = OTHERS_COLUMN + OTHERS_FEATURES
SKIP_COLUMN: Final = COMPANY_COLUMN + COMPANY_FEATURES
FEATURES: Final = SKIP_COLUMN + SKIP_FEATURES
ENCODER_COLUMNS: Final = (
    *range(PER_SCORED * Source.SESSION_ENCODER, PER_SCORED * (Source.SESSION_ENCODER + 1)),
    *range(OWN_COLUMN - ENCODER_FEATURES, OWN_COLUMN),
)
METADATA_COLUMN: Final = PER_SCORED * SCORED_SOURCES + 2 * (Source.METADATA_NEIGHBOURS - SCORED_SOURCES)
LATE_COLUMNS: Final = (*ENCODER_COLUMNS, METADATA_COLUMN, METADATA_COLUMN + 1)
"""What the session encoder says, and descriptions: both may come when the ranker has learned for long."""

DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
ARTIST_LOOK: Final = 512
"""Newest plays of the listener in which an artist is counted."""


@kernel
def write_features(
    listed: NDArray[np.int64],
    count: int,
    # sources
    keys: NDArray[np.int64],
    scores: NDArray[np.float64],
    counts: NDArray[np.int64],
    logits: NDArray[np.float32],
    was_trained: NDArray[np.bool_],
    # session: tracks the newest first, and whether each was skipped
    session: NDArray[np.int64],
    session_length: int,
    session_skips: int,
    current_skipped: bool,
    new_in_session: float,
    # listener
    history: NDArray[np.int32],
    ended_at_s: NDArray[np.int32],
    strengths: NDArray[np.float32],
    history_length: int,
    longest_look: int,
    exploration: float,
    source_hits: NDArray[np.float32],
    now_s: int,
    # catalogue
    artist_of: NDArray[np.int32],
    plays: NDArray[np.int64],
    first_seen_ms: NDArray[np.int64],
    # scratch and result
    place_of: NDArray[np.int16],
    plays_of: NDArray[np.float32],
    skips_of: NDArray[np.float32],
    last_play_of: NDArray[np.int32],
    first_play_of: NDArray[np.int32],
    day_plays_of: NDArray[np.float32],
    week_plays_of: NDArray[np.float32],
    artist_plays: NDArray[np.int16],
    out: NDArray[np.float32],
) -> None:
    """Write `out`, float32, shape (at least count, FEATURES), for the first `count` of `listed`.

    Args:
        listed: candidates.
        keys, scores, counts: the sources' lists.
        logits: the encoder's, per candidate, 0 for its best new one; NaN where it has none.
        was_trained: per candidate, whether that was learned in training; else by its artist and sound.
        session: the session's tracks, the newest first; `session_length` in use, at least 1.
        session_skips: how many of them were skipped.
        new_in_session: share of them that the listener had not played before.
        history, ended_at_s, strengths: the listener's plays, the oldest first; `history_length` in use.
        longest_look: only the newest so many plays are looked at.
        exploration: share of plays that were new to the listener, lately.
        source_hits: share of each scored source's lists that held what was then played, lately.
        place_of: scratch per track, 0 before and after.
        plays_of, skips_of, last_play_of, first_play_of, day_plays_of, week_plays_of: scratch per candidate.
        artist_plays: scratch per artist, 0 before and after.
    """
    for i in range(count):
        place_of[listed[i]] = i + 1
        plays_of[i] = 0.0
        skips_of[i] = 0.0
        day_plays_of[i] = 0.0
        week_plays_of[i] = 0.0
        last_play_of[i] = -1
        out[i, :] = 0.0
    confidence = np.zeros(SCORED_SOURCES)
    column = 0
    for source in range(keys.shape[0]):
        n = counts[source]
        total = 0.0
        if source < SCORED_SOURCES:
            for rank in range(n):
                total += scores[source, rank]
            confidence[source] = math.log1p(total)
        for rank in range(n):
            at = place_of[keys[source, rank]] - 1
            if at < 0:
                continue
            out[at, column] = 1.0
            out[at, column + 1] = 10.0 / (11.0 + rank)
            if source < SCORED_SOURCES:
                out[at, column + 2] = 1.0 / (1.0 + rank)
                ratio = math.log(max(1e-12, scores[source, rank]) / max(1e-12, scores[source, 0]))
                out[at, column + 3] = max(0.0, 1.0 + ratio / 8.0)
                out[at, column + 4] = math.sqrt(scores[source, rank] / max(1e-12, total))
        column += PER_SCORED if source < SCORED_SOURCES else 2
    for at in range(max(0, history_length - longest_look), history_length):
        i = place_of[history[at]] - 1
        if i >= 0:
            if plays_of[i] == 0.0:
                first_play_of[i] = at
            plays_of[i] += 1.0
            last_play_of[i] = at
            age_s = now_s - ended_at_s[at]
            if age_s < WEEK_S:
                week_plays_of[i] += 1.0
                if age_s < DAY_S:
                    day_plays_of[i] += 1.0
            if strengths[at] < 0.9:
                skips_of[i] += 1.0
    for place in range(session_length):
        i = place_of[session[place]] - 1
        if i >= 0:
            out[i, column] = 1.0
            out[i, column + 1] = math.exp(-place / 3.0)
            out[i, column + 2] = math.exp(-place / 20.0)
    for i in range(count):
        place_of[listed[i]] = 0
    current_artist = artist_of[session[0]]
    before_artist = artist_of[session[1]] if session_length > 1 else -1
    recent = min(10, session_length)
    run = 0
    while run < recent and current_artist >= 0 and artist_of[session[run]] == current_artist:
        run += 1
    for at in range(max(0, history_length - ARTIST_LOOK), history_length):
        if artist_of[history[at]] >= 0:
            artist_plays[artist_of[history[at]]] += 1
    for i in range(count):
        track = listed[i]
        row = out[i]
        at = column + 3
        last = last_play_of[i]
        if last >= 0:
            age_s = max(0, now_s - ended_at_s[last])
            row[at] = 1.0
            row[at + 1] = math.log1p(plays_of[i]) / 3.0
            row[at + 2] = skips_of[i] / plays_of[i]
            row[at + 3] = math.log(history_length - last) / 8.0
            row[at + 4] = math.log1p(age_s / 60.0) / 12.0
            row[at + 5] = 1.0 if strengths[last] < 0.9 else 0.0
            row[at + 6] = 1.0 if age_s < DAY_S else 0.0
            row[at + 7] = row[column] * math.log1p(plays_of[i]) / 3.0
            row[at + 8] = math.log1p(age_s / DAY_S) / 6.0
            row[at + 9] = math.log1p(max(0, now_s - ended_at_s[first_play_of[i]]) / DAY_S) / 6.0
            row[at + 10] = math.log1p(week_plays_of[i]) / 3.0
            row[at + 11] = math.log1p(day_plays_of[i]) / 2.0
        at += 12
        artist = artist_of[track]
        if artist >= 0:
            row[at] = 1.0 if artist == current_artist else 0.0
            row[at + 1] = 1.0 if artist == before_artist else 0.0
            row[at + 2] = row[at] * row[at + 1]
            same = 0
            for place in range(recent):
                if artist_of[session[place]] == artist:
                    same += 1
            row[at + 3] = same / recent
            row[at + 4] = row[at] * (1.0 - row[column + 3])
            row[at + 5] = math.log1p(artist_plays[artist]) / 5.0
        row[at + 6] = math.log1p(plays[track]) / 5.0
        row[at + 7] = math.log1p(max(0.0, now_s - first_seen_ms[track] / 1000.0) / DAY_S) / 6.0
        at += 8
        row[at] = 1.0 if current_skipped else 0.0
        row[at + 1] = math.log1p(session_length) / 3.0
        row[at + 2] = session_skips / session_length
        row[at + 3] = run / recent
        row[at + 4] = math.log1p(history_length) / 8.0
        row[at + 5] = new_in_session
        row[at + 6] = exploration
        row[at + 7] = confidence[0] / 3.0
        row[at + 8] = confidence[1] / 3.0
        row[at + 9] = confidence[2] / 3.0
        for source in range(SCORED_SOURCES):
            row[at + 10 + source] = 2.0 * source_hits[source]
        at += CONTEXT_FEATURES
        if not math.isnan(logits[i]):
            row[at] = 1.0
            row[at + 1] = max(0.0, 1.0 + logits[i] / 8.0)
            row[at + 2] = 0.0 if was_trained[i] else 1.0
    for at in range(max(0, history_length - ARTIST_LOOK), history_length):
        if artist_of[history[at]] >= 0:
            artist_plays[artist_of[history[at]]] = 0
