"""What a table says of clips, lent with their sounds to the tracks of a log: title, genre, the group as the album.

Lending flatters descriptions more than sounds.  A group is one artist's whole work here, so its name as an album says
who the artist is and nothing else; a real album is a part of an artist's work, and real tags are shared by artists who
are heard together, which is lost as it is for sounds.  Title and genre alone are what is said of the clip itself, where
the table says anything.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import SessionSnapshot, Track
from musicrec.evaluation.audio import LabelledClips
from musicrec.evaluation.lent_sounds import LentSounds
from musicrec.recommend import RankingSettings
from musicrec.recommend.description_terms import terms_of
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.metadata_neighbours import MetadataNeighbours
from musicrec.recommend.top_k import Scratch


def lent_tracks(lent: LentSounds, clips: LabelledClips, *, with_group: bool) -> list[Track]:
    """Return the tracks that have clips, in the order of their ids, described as their clips are."""
    tracks = []
    for track_id, clip in sorted(lent.clip_of.items()):
        genre = clips.genres[clip]
        tracks.append(
            Track(
                track_id=track_id,
                artist_id=lent.artist_of[track_id],
                title=clips.titles[clip],
                album=clips.labels[clip] if with_group else "",
                tags=(genre,) if genre else (),
            )
        )
    return tracks


class DescribedTracks:
    """Neighbours by description alone, as the ranking finds them, but among all tracks."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        count = len(tracks)
        bounds = RankingSettings(metadata_postings=10**9, candidates_per_source=count, metadata_least_cosine=0.0)
        self._place_of = {track.track_id: place for place, track in enumerate(tracks)}
        descriptions = Descriptions(bounds.max_terms, 1 << max(2, count.bit_length()))
        for place, track in enumerate(tracks):
            descriptions.describe(place, terms_of(track))
        self._neighbours = MetadataNeighbours(descriptions, bounds)
        self._by_track = Scratch(max(1, count))
        self._keys: NDArray[np.int64] = np.zeros(count, np.int64)
        self._cosines: NDArray[np.float64] = np.zeros(count, np.float64)

    def cosines(self, before: SessionSnapshot) -> NDArray[np.float32] | None:
        """Return each track's cosine with the session, 0 for the session's own; None where nothing is said of that."""
        newest_first = list(reversed(before.entries))
        session = [self._place_of[entry.track_id] for entry in newest_first]
        skipped = [self._place_of[entry.track_id] for entry in newest_first if entry.outcome.is_skip]
        count = self._neighbours.find(session, skipped, self._by_track, self._keys, self._cosines)
        if count == 0:
            return None
        found: NDArray[np.float32] = np.zeros(len(self._place_of), np.float32)
        found[self._keys[:count]] = self._cosines[:count]
        return found
