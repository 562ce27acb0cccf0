"""Tracks by the artists of the session, the most played at present first."""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.top_k import take_top


@kernel
def artist_scores(
    artists: NDArray[np.int64],
    artist_count: int,
    posting_values: NDArray[np.int64],
    posting_start: NDArray[np.int64],
    posting_room: NDArray[np.int32],
    posting_written: NDArray[np.int64],
    plays: NDArray[np.int64],
    place_decay: float,
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write tracks of `artists`, best first; return how many.

    A track gets log(2 + plays), and less by `place_decay` for each newer artist of the session.

    Args:
        artists: the session's artists, the newest first, each once; `artist_count` of them count.
        posting_values, posting_start, posting_room, posting_written: the tracks of each artist.
        plays: int64 per track.
        place_decay: factor per place.
    """
    touched = 0
    for place in range(artist_count):
        artist = artists[place]
        room = posting_room[artist]
        if room == 0:
            continue
        weight = place_decay**place
        written = posting_written[artist]
        start = posting_start[artist]
        for i in range(min(written, room)):
            track = posting_values[start + (written - 1 - i) % room]
            if track_scores[track] == 0.0:
                track_touched[touched] = track
                touched += 1
                track_scores[track] = weight * math.log(2.0 + plays[track])
    return take_top(track_touched, touched, track_scores, limit, out_keys, out_scores)
