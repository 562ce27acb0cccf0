"""Where a track lies that training never saw: among its artist's tracks, moved by what it sounds like.

artist known, no sound    the artist's direction: the mean of its tracks, each by the square root of its plays
artist known, sound       that, and a linear map of the sound, fitted to how tracks lie about their artist's others
artist unknown, sound     another linear map of the sound, fitted to where tracks lie

Sources: "semi-cold" recommendation by the artist's catalogue (ACARec, arXiv 2604.07090, 2026); van den Oord, Dieleman,
Schrauwen, "Deep content-based music recommendation", NIPS 2013 (from sound to a collaborative vector).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BESIDE_ARTIST: Final = "beside_artist"
ALONE: Final = "alone"
RIDGE: Final = 1.0
"""Pull of the maps towards 0, in tracks: sounds have unit length."""
SHORTEST: Final = 1e-6
"""A vector below this length has no direction."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placing:
    """What places a track.

    Attributes:
        artists: float16 or float32, shape (artists, dimension), unit length.
        row_of: row of an artist by id.
        maps: from sounds, float32, shape (sound's dimension + 1, dimension), the last row a constant; by
            `BESIDE_ARTIST` and `ALONE`; empty where no sounds were known.
    """

    artists: NDArray[np.floating]
    row_of: Mapping[str, int]
    maps: Mapping[str, Floats]

    def vector(self, artist_id: str | None, sound: Floats | None) -> Floats | None:
        """Return where a track lies, unit length, shape (dimension,); None where nothing says it.

        Args:
            artist_id: None where it is unknown.
            sound: float32, unit length; None where it is unknown.
        """
        row = self.row_of.get(artist_id, -1) if artist_id is not None else -1
        artist = self.artists[row].astype(np.float32) if row >= 0 else None
        by_sound = self.maps.get(ALONE if artist is None else BESIDE_ARTIST)
        if by_sound is None or sound is None:
            return artist
        moved: Floats = np.append(sound, np.float32(1.0)) @ by_sound
        return _unit(moved if artist is None else artist + moved)


def artist_vectors(vectors: Floats, artist_of: NDArray[np.int64], plays: NDArray[np.int64], artists: int) -> Floats:
    """Return where each artist's tracks lie, float32, shape (artists, dimension), unit length.

    Args:
        vectors: float32, shape (tracks, dimension), unit length.
        artist_of: int64 per track; -1 for none.
        plays: per track.
        artists: how many there are; each has a track.
    """
    sums = _sums(vectors, artist_of, np.sqrt(plays).astype(np.float32), artists)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # Tracks in opposite directions cancel out: any of them stands for the artist.
    any_track = np.zeros_like(sums)
    any_track[artist_of[artist_of >= 0]] = vectors[artist_of >= 0]
    unit: Floats = np.where(lengths > SHORTEST, sums / np.maximum(lengths, SHORTEST), any_track)
    return unit


def sound_maps(
    vectors: Floats,
    artist_of: NDArray[np.int64],
    plays: NDArray[np.int64],
    sounds: Mapping[int, Floats],
) -> dict[str, Floats]:
    """Return the maps from sounds, fitted by ridge regression.

    Beside its artist a track is compared with where the artist's other tracks lie: of a new one, its own place is not
    part of the artist's either.

    Args:
        vectors: float32, shape (tracks, dimension), unit length.
        artist_of: int64 per track; -1 for none.
        plays: per track.
        sounds: by track, float32, unit length; of few tracks or many.
    """
    tracks = np.array(sorted(sounds), np.int64)
    if not len(tracks):
        return {}
    heard = np.stack([np.append(sounds[track], np.float32(1.0)) for track in tracks.tolist()])
    maps = {ALONE: _ridge(heard, vectors[tracks])}
    weights = np.sqrt(plays).astype(np.float32)
    sums = _sums(vectors, artist_of, weights, int(artist_of.max(initial=-1)) + 1)
    has_artist = artist_of[tracks] >= 0
    known, heard = tracks[has_artist], heard[has_artist]
    others = sums[artist_of[known]] - vectors[known] * weights[known, np.newaxis]
    lengths = np.linalg.norm(others, axis=1, keepdims=True)
    has_others = lengths[:, 0] > SHORTEST
    if has_others.any():
        beside = others[has_others] / lengths[has_others]
        maps[BESIDE_ARTIST] = _ridge(heard[has_others], vectors[known[has_others]] - beside)
    return maps


def _sums(vectors: Floats, artist_of: NDArray[np.int64], weights: Floats, artists: int) -> Floats:
    sums = np.zeros((artists, vectors.shape[1]), np.float32)
    has_artist = artist_of >= 0
    np.add.at(sums, artist_of[has_artist], vectors[has_artist] * weights[has_artist, np.newaxis])
    return sums


def _ridge(heard: Floats, wanted: Floats) -> Floats:
    squares = heard.T @ heard + RIDGE * np.eye(heard.shape[1], dtype=np.float32)
    solved: Floats = np.linalg.solve(squares, heard.T @ wanted).astype(np.float32)
    return solved


def _unit(vector: Floats) -> Floats | None:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > SHORTEST else None


def numbered_artists(track_ids: Sequence[str], artist_of: Mapping[str, str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the artists of tracks, and for each track the artist's place among them, int64; -1 for none."""
    numbers: dict[str, int] = {}
    of_track = [numbers.setdefault(artist_of[track], len(numbers)) if track in artist_of else -1 for track in track_ids]
    return list(numbers), np.array(of_track, np.int64)
