"""The demo's music: 120 invented tracks by 24 invented artists in 12 styles."""

import random
from typing import Final

from musicrec.contracts import Track
from musicrec.demo.names import ALBUMS, ARTISTS, FIRST_WORDS, SECOND_WORDS

TRACKS_PER_ARTIST: Final = 5
SHORTEST_MS: Final = 18_000
LONGEST_MS: Final = 28_000
"""Short pieces: a listener's session grows while one watches, with true playing times."""
DAY_MS: Final = 86_400_000


def generate_tracks(
    seed: int, *, now_ms: int, later: int = 12, first_later_ms: int = 20_000, later_every_ms: int = 15_000
) -> tuple[Track, ...]:
    """Return the catalogue, in order of release.

    Args:
        seed: titles, albums and lengths are a function of it.
        now_ms: start of the demo, epoch milliseconds.
        later: how many tracks are released after the start; each is the last of its artist's album.
        first_later_ms: when the first of them is released, after the start.
        later_every_ms: time between two of them.

    Returns:
        Tracks with one tag, their style, and without `audio_uri`.  `released_at_ms` lies before `now_ms`, but for the
        `later` ones; whoever publishes them waits for it.
    """
    rng = random.Random(seed)
    titles = [f"{first} {second}" for first in FIRST_WORDS for second in SECOND_WORDS]
    albums = list(ALBUMS)
    rng.shuffle(titles)
    rng.shuffle(albums)
    artists = [(style, name) for style, names in ARTISTS.items() for name in names]
    tracks = []
    for number, (style, artist) in enumerate(artists):
        released_at_ms = now_ms - rng.randint(30, 3_000) * DAY_MS
        for place in range(TRACKS_PER_ARTIST):
            index = number * TRACKS_PER_ARTIST + place
            tracks.append(
                Track(
                    track_id=f"demo-track-{index:03d}",
                    title=titles[index],
                    artist_id=f"demo-artist-{number:02d}",
                    artist_name=artist,
                    album=albums[number],
                    duration_ms=rng.randint(SHORTEST_MS, LONGEST_MS),
                    tags=(style,),
                    released_at_ms=released_at_ms,
                )
            )
    return _release_later(tracks, rng, [now_ms + first_later_ms + i * later_every_ms for i in range(later)])


def _release_later(tracks: list[Track], rng: random.Random, moments_ms: list[int]) -> tuple[Track, ...]:
    last_of_albums = range(TRACKS_PER_ARTIST - 1, len(tracks), TRACKS_PER_ARTIST)
    for index, moment_ms in zip(rng.sample(last_of_albums, len(moments_ms)), moments_ms, strict=True):
        tracks[index] = tracks[index].model_copy(update={"released_at_ms": moment_ms})
    return tuple(sorted(tracks, key=lambda track: (track.released_at_ms or 0, track.track_id)))
