"""The demo's tracks as its listeners see them: styles, albums, hits, and what goes well after what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Track
from musicrec.errors import BadInput


@dataclass(frozen=True, slots=True)
class Shelf:
    """Tracks by number; every array has the shape (tracks,)."""

    tracks: tuple[Track, ...]
    styles: tuple[str, ...]
    """Every style once; `style` holds their numbers."""
    style: NDArray[np.int64]
    artist: NDArray[np.int64]
    """Number of the artist, from 0."""
    popularity: NDArray[np.float64]
    """How widely known a track is: a few hits and a long tail, sum 1."""
    released_at_ms: NDArray[np.int64]
    """Nobody plays a track before."""
    next_on_album: NDArray[np.int64]
    """The track after it on its album; the first one after the last."""
    companion: NDArray[np.int64]
    """A track of the same style by somebody else, where there is one: what many people happen to play after it."""

    @classmethod
    def of(cls, tracks: Sequence[Track], rng: np.random.Generator) -> "Shelf":
        """Arrange tracks; hits and companions are drawn.

        Raises:
            BadInput: no tracks, or one without style (its first tag), artist or duration.
        """
        if not tracks:
            raise BadInput("the audience has nothing to listen to: give it at least one track")
        for track in tracks:
            if not track.tags or track.artist_id is None or track.duration_ms is None:
                raise BadInput(f"{track.track_id}: the audience needs tags, artist_id and duration_ms")
        styles = sorted({track.tags[0] for track in tracks})
        artists = sorted({str(track.artist_id) for track in tracks})
        style = np.array([styles.index(track.tags[0]) for track in tracks])
        artist = np.array([artists.index(str(track.artist_id)) for track in tracks])
        popularity = 1.0 / (1.0 + rng.permutation(len(tracks)))
        return cls(
            tracks=tuple(tracks),
            styles=tuple(styles),
            style=style,
            artist=artist,
            popularity=popularity / popularity.sum(),
            released_at_ms=np.array([track.released_at_ms or 0 for track in tracks]),
            next_on_album=_next_on_album(tracks),
            companion=_companions(style, artist, rng),
        )


def _next_on_album(tracks: Sequence[Track]) -> NDArray[np.int64]:
    albums: dict[tuple[str | None, str], list[int]] = {}
    for number in sorted(range(len(tracks)), key=lambda n: tracks[n].track_id):
        albums.setdefault((tracks[number].artist_id, tracks[number].album), []).append(number)
    following = np.empty(len(tracks), np.int64)
    for album in albums.values():
        following[album] = album[1:] + album[:1]
    return following


def _companions(style: NDArray[np.int64], artist: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    companions = np.empty(style.size, np.int64)
    for number in range(style.size):
        others = np.flatnonzero((style == style[number]) & (artist != artist[number]))
        companions[number] = rng.choice(others) if others.size else number
    return companions
