"""Rules about a whole list, applied to fused candidates: not too many of one artist, a place for something new."""

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel


@kernel
def cap_artists(
    ordered: NDArray[np.int64],
    count: int,
    artist_of: NDArray[np.int32],
    artist_cap: int,
    limit: int,
    out_places: NDArray[np.int64],
) -> int:
    """Write the places in `ordered` of up to `limit` tracks with at most `artist_cap` per artist; return how many.

    Tracks beyond the cap come behind all others, so the list is as long as it can be.  Tracks of an unknown artist are
    never held back.

    Args:
        ordered: tracks, best first; `count` of them in use.
        artist_of: per track, the artist or -1.
        artist_cap: most tracks of one artist; 0 for no cap.
    """
    taken = 0
    for place in range(count):
        if taken == limit:
            return taken
        artist = artist_of[ordered[place]]
        listed = 0
        if artist_cap > 0 and artist >= 0:
            for i in range(taken):
                if artist_of[ordered[out_places[i]]] == artist:
                    listed += 1
        if artist_cap == 0 or listed < artist_cap:
            out_places[taken] = place
            taken += 1
    within_cap = taken
    at = 0
    for place in range(count):
        if taken == limit:
            break
        while at < within_cap and out_places[at] < place:
            at += 1
        if at < within_cap and out_places[at] == place:
            continue
        out_places[taken] = place
        taken += 1
    return taken
