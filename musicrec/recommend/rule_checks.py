"""What rules keep out, candidate by candidate, in compiled code; `rules_at` has the tables."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.fusion import EXCLUDED


class RuleTables(NamedTuple):
    """What a track is looked up in."""

    artist_of: NDArray[np.int32]
    """Per track, the artist or -1."""
    label_of: NDArray[np.int32]
    """Per track, the label or -1."""
    territory_of: NDArray[np.int32]
    """Per track."""
    group_of_track: NDArray[np.int32]
    """Per track; those beyond its end, and as well below, are in group 0, which no rule names."""
    group_of_artist: NDArray[np.int32]
    """Likewise per artist."""
    group_of_label: NDArray[np.int32]
    """Likewise per label."""
    denied: NDArray[np.bool_]
    """Per group."""
    admitted: NDArray[np.bool_]
    """Shape (allow-lists, groups); a track has to be on each of the lists."""
    fits: NDArray[np.bool_]
    """Per territory, whether its tracks may be played where the listener is."""


@kernel
def _is_kept_out(
    track: int,
    tables: RuleTables,
) -> bool:
    """Whether no list may hold the track."""
    if not tables.fits[tables.territory_of[track]]:
        return True
    artist, label = tables.artist_of[track], tables.label_of[track]
    by_track = tables.group_of_track[track] if track < len(tables.group_of_track) else 0
    by_artist = tables.group_of_artist[artist] if 0 <= artist < len(tables.group_of_artist) else 0
    by_label = tables.group_of_label[label] if 0 <= label < len(tables.group_of_label) else 0
    if tables.denied[by_track] or tables.denied[by_artist] or tables.denied[by_label]:
        return True
    for allow_list in range(len(tables.admitted)):
        row = tables.admitted[allow_list]
        if not (row[by_track] or row[by_artist] or row[by_label]):
            return True
    return False


@kernel
def kept_out(
    tracks: NDArray[np.int64],
    tables: RuleTables,
    out: NDArray[np.bool_],
) -> None:
    """Write for each track whether no list may hold it."""
    for i in range(len(tracks)):
        out[i] = _is_kept_out(tracks[i], tables)


@kernel
def mark_kept_out(
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    tables: RuleTables,
    flags: NDArray[np.uint8],
    marks: NDArray[np.uint8],
    mark: int,
    out: NDArray[np.int64],
) -> int:
    """Mark the candidates of all sources that no list may hold, write them into `out`, and return how many.

    Those that are removed or marked as excluded are passed over: each has one cause.
    """
    found = 0
    for source in range(keys.shape[0]):
        for i in range(counts[source]):
            track = keys[source, i]
            if marks[track] & EXCLUDED or flags[track] & 1:
                continue
            if _is_kept_out(track, tables):
                marks[track] = mark
                out[found] = track
                found += 1
    return found


@kernel
def newest_admitted(
    start: int,
    stop: int,
    tables: RuleTables,
    flags: NDArray[np.uint8],
    out: NDArray[np.int64],
) -> int:
    """Write tracks that may be listed into `out`, as many as fit, from below `start` to `stop`; return how many."""
    found = 0
    for back in range(start - stop):
        track = start - 1 - back
        if flags[track] & 1:
            continue
        if not _is_kept_out(track, tables):
            out[found] = track
            found += 1
            if found == len(out):
                break
    return found
