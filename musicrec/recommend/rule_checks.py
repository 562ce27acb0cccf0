"""What rules keep out, candidate by candidate, in compiled code; `rules_at` has the tables."""

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.fusion import EXCLUDED
from musicrec.recommend.kernel import kernel


@kernel
def _is_kept_out(
    track: int,
    artist_of: NDArray[np.int32],
    label_of: NDArray[np.int32],
    territory_of: NDArray[np.int32],
    group_of_track: NDArray[np.int32],
    group_of_artist: NDArray[np.int32],
    group_of_label: NDArray[np.int32],
    denied: NDArray[np.bool_],
    admitted: NDArray[np.bool_],
    fits: NDArray[np.bool_],
) -> bool:
    """Whether no list may hold the track.

    Args:
        track: its index.
        artist_of: per track, the artist or -1.
        label_of: per track, the label or -1.
        territory_of: per track, the territory.
        group_of_track: per track; those beyond its end, and as well below, are in group 0, which no rule names.
        group_of_artist: likewise per artist.
        group_of_label: likewise per label.
        denied: per group.
        admitted: shape (allow-lists, groups).
        fits: per territory.
    """
    if not fits[territory_of[track]]:
        return True
    artist, label = artist_of[track], label_of[track]
    by_track = group_of_track[track] if track < group_of_track.shape[0] else 0
    by_artist = group_of_artist[artist] if 0 <= artist < group_of_artist.shape[0] else 0
    by_label = group_of_label[label] if 0 <= label < group_of_label.shape[0] else 0
    if denied[by_track] or denied[by_artist] or denied[by_label]:
        return True
    for allow_list in range(admitted.shape[0]):
        row = admitted[allow_list]
        if not (row[by_track] or row[by_artist] or row[by_label]):
            return True
    return False


@kernel
def kept_out(
    tracks: NDArray[np.int64],
    artist_of: NDArray[np.int32],
    label_of: NDArray[np.int32],
    territory_of: NDArray[np.int32],
    group_of_track: NDArray[np.int32],
    group_of_artist: NDArray[np.int32],
    group_of_label: NDArray[np.int32],
    denied: NDArray[np.bool_],
    admitted: NDArray[np.bool_],
    fits: NDArray[np.bool_],
    out: NDArray[np.bool_],
) -> None:
    """Write for each track whether no list may hold it."""
    for i in range(len(tracks)):
        out[i] = _is_kept_out(
            tracks[i],
            artist_of,
            label_of,
            territory_of,
            group_of_track,
            group_of_artist,
            group_of_label,
            denied,
            admitted,
            fits,
        )


@kernel
def mark_kept_out(
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    artist_of: NDArray[np.int32],
    label_of: NDArray[np.int32],
    territory_of: NDArray[np.int32],
    group_of_track: NDArray[np.int32],
    group_of_artist: NDArray[np.int32],
    group_of_label: NDArray[np.int32],
    denied: NDArray[np.bool_],
    admitted: NDArray[np.bool_],
    fits: NDArray[np.bool_],
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
            if _is_kept_out(
                track,
                artist_of,
                label_of,
                territory_of,
                group_of_track,
                group_of_artist,
                group_of_label,
                denied,
                admitted,
                fits,
            ):
                marks[track] = mark
                out[found] = track
                found += 1
    return found


@kernel
def newest_admitted(
    start: int,
    stop: int,
    artist_of: NDArray[np.int32],
    label_of: NDArray[np.int32],
    territory_of: NDArray[np.int32],
    group_of_track: NDArray[np.int32],
    group_of_artist: NDArray[np.int32],
    group_of_label: NDArray[np.int32],
    denied: NDArray[np.bool_],
    admitted: NDArray[np.bool_],
    fits: NDArray[np.bool_],
    flags: NDArray[np.uint8],
    out: NDArray[np.int64],
) -> int:
    """Write tracks that may be listed into `out`, as many as fit, from below `start` to `stop`; return how many."""
    found = 0
    for back in range(start - stop):
        track = start - 1 - back
        if flags[track] & 1:
            continue
        if not _is_kept_out(
            track,
            artist_of,
            label_of,
            territory_of,
            group_of_track,
            group_of_artist,
            group_of_label,
            denied,
            admitted,
            fits,
        ):
            out[found] = track
            found += 1
            if found == len(out):
                break
    return found
