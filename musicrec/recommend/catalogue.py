"""Tracks and artists as small integers, and the only place where they are turned into ids and back."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Track
from musicrec.recommend.posting_lists import PostingLists
from musicrec.recommend.state import Pieces, State, copied, named, texts
from musicrec.recommend.top_k import MIN_CAPACITY

UNKNOWN: Final = -1
"""Index of a track or an artist that was never seen."""

REMOVED: Final = 1
"""Bit of `flags`: a tombstone removed the track."""
ANNOUNCED: Final = 2
"""Bit of `flags`: the catalogue announced the track, rather than a play alone."""

EVERYWHERE: Final = 0
"""Territory of tracks that may be played in every market."""
_EVERYWHERE_TEXT: Final = "*"
RIGHTS: Final = ("label_of", "territory_of")


class Catalogue:
    """What is known of each track, by its index; indices are given in order of first sight and never reused.

    Attributes:
        artist_of: int32 per track, the artist's index or UNKNOWN.
        first_seen_ms: int64 per track, event time of the first play, or release time; 0 where neither is known.
        flags: uint8 per track, REMOVED and ANNOUNCED.
        label_of: int32 per track, the label's index or UNKNOWN.
        territory_of: int32 per track, index of where it may be played.
        territories: markets of each territory, in order; None for every market.
        tracks_of: the newest tracks of each artist.
        capacity: length of the arrays above.
    """

    def __init__(self, max_tracks: int, tracks_per_artist: int) -> None:
        self._max_tracks = max_tracks
        self._index_of_track: dict[str, int] = {}
        self._index_of_artist: dict[str, int] = {}
        self._track_ids: list[str] = []
        self._artist_ids: list[str] = []
        self.removed = 0
        self.capacity = MIN_CAPACITY
        self.artist_of: NDArray[np.int32] = np.full(self.capacity, UNKNOWN, np.int32)
        self.first_seen_ms: NDArray[np.int64] = np.zeros(self.capacity, np.int64)
        self.flags: NDArray[np.uint8] = np.zeros(self.capacity, np.uint8)
        self._index_of_label: dict[str, int] = {}
        self._label_ids: list[str] = []
        self.label_of: NDArray[np.int32] = np.full(self.capacity, UNKNOWN, np.int32)
        self.territory_of: NDArray[np.int32] = np.full(self.capacity, EVERYWHERE, np.int32)
        self.territories: list[tuple[str, ...] | None] = [None]
        self._territory_index: dict[tuple[str, ...] | None, int] = {None: EVERYWHERE}
        self.tracks_of = PostingLists(tracks_per_artist)

    def __len__(self) -> int:
        """Return how many tracks were seen, removed ones included."""
        return len(self._track_ids)

    @property
    def available(self) -> int:
        """How many tracks can be recommended."""
        return len(self._track_ids) - self.removed

    @property
    def artists(self) -> int:
        """How many artists were seen."""
        return len(self._artist_ids)

    @property
    def artist_capacity(self) -> int:
        """Return a number that every artist's index lies below."""
        return len(self.tracks_of.start)

    def index_of(self, track_id: str) -> int:
        """Return the track's index, or UNKNOWN."""
        return self._index_of_track.get(track_id, UNKNOWN)

    def artist_index_of(self, artist_id: str) -> int:
        """Return the artist's index, or UNKNOWN."""
        return self._index_of_artist.get(artist_id, UNKNOWN)

    def label_index_of(self, label: str) -> int:
        """Return the label's index, or UNKNOWN."""
        return self._index_of_label.get(label, UNKNOWN)

    @property
    def track_ids(self) -> Sequence[str]:
        """Ids of all tracks, by index."""
        return self._track_ids

    @property
    def artist_ids(self) -> Sequence[str]:
        """Ids of all artists, by index."""
        return self._artist_ids

    @property
    def label_ids(self) -> Sequence[str]:
        """Ids of all labels, by index."""
        return self._label_ids

    def track_id(self, index: int) -> str:
        """Return the id of the track with that index."""
        return self._track_ids[index]

    def artist_id(self, artist: int) -> str:
        """Return the id of the artist with that index."""
        return self._artist_ids[artist]

    def artist_id_of(self, index: int) -> str | None:
        """Return the id of the track's artist, or None where it is unknown."""
        artist = int(self.artist_of[index])
        return self._artist_ids[artist] if artist != UNKNOWN else None

    def see(self, track_id: str, artist_id: str | None, seen_at_ms: int) -> int:
        """Return the track's index, giving it one where it has none; UNKNOWN when the catalogue is full.

        The first artist that is named for a track stays its artist until the catalogue says otherwise.
        """
        index = self._index_of_track.get(track_id)
        if index is None:
            index = self._add(track_id, seen_at_ms)
            if index == UNKNOWN:
                return UNKNOWN
        if artist_id is not None and self.artist_of[index] == UNKNOWN:
            self._set_artist(index, artist_id)
        return index

    def announce(self, track: Track) -> tuple[int, bool]:
        """Take in a track of the catalogue; return its index, and whether it was not announced before."""
        index = self.see(track.track_id, None, 0)
        if index == UNKNOWN:
            return UNKNOWN, False
        if track.artist_id is not None and self.artist_of[index] != self._index_of_artist.get(track.artist_id):
            self._set_artist(index, track.artist_id)
        if track.released_at_ms is not None:
            self.first_seen_ms[index] = track.released_at_ms
        self._set_rights(index, track)
        if self.flags[index] & REMOVED:
            self.removed -= 1
        is_new = not self.flags[index] & ANNOUNCED
        self.flags[index] = ANNOUNCED
        return index, is_new

    def remove(self, track_id: str) -> int:
        """Mark the track as removed: it keeps its index, and is never recommended; return the index or UNKNOWN."""
        index = self._index_of_track.get(track_id, UNKNOWN)
        if index != UNKNOWN and not self.flags[index] & REMOVED:
            self.flags[index] = REMOVED
            self.removed += 1
        return index

    def state(self) -> Pieces:
        """Yield ids in order of index and what is known of each; see `Stateful`."""
        yield from texts("track_ids", self._track_ids)
        yield from texts("artist_ids", self._artist_ids)
        for name in ("artist_of", "first_seen_ms", "flags"):
            yield from copied(name, getattr(self, name)[: len(self)])
        yield from texts("label_ids", self._label_ids)
        territories = (_EVERYWHERE_TEXT if markets is None else " ".join(markets) for markets in self.territories)
        yield from texts("territories", territories)
        for name in RIGHTS:
            yield from copied(name, getattr(self, name)[: len(self)])
        yield from named("tracks_of", self.tracks_of.state())

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self._track_ids, self._artist_ids = state.texts("track_ids"), state.texts("artist_ids")
        self._index_of_track = {track_id: index for index, track_id in enumerate(self._track_ids)}
        self._index_of_artist = {artist_id: index for index, artist_id in enumerate(self._artist_ids)}
        while self.capacity < len(self):
            self._grow(2 * self.capacity)
        for name in ("artist_of", "first_seen_ms", "flags"):
            column = getattr(self, name)
            column[: len(self)] = state.array(name, column.dtype, len(self))
        self._restore_rights(state)
        self.removed = int(np.count_nonzero(self.flags & REMOVED))
        self.tracks_of.restore(state.part("tracks_of"))

    def _add(self, track_id: str, seen_at_ms: int) -> int:
        index = len(self._track_ids)
        if index >= self._max_tracks:
            return UNKNOWN
        if index >= self.capacity:
            self._grow(2 * self.capacity)
        self._index_of_track[track_id] = index
        self._track_ids.append(track_id)
        self.first_seen_ms[index] = seen_at_ms
        return index

    def _restore_rights(self, state: State) -> None:
        self._label_ids = state.texts("label_ids")
        self._index_of_label = {label: index for index, label in enumerate(self._label_ids)}
        listed = state.texts("territories")
        self.territories = [None if text == _EVERYWHERE_TEXT else tuple(text.split()) for text in listed]
        self._territory_index = {markets: index for index, markets in enumerate(self.territories)}
        for name in RIGHTS:
            getattr(self, name)[: len(self)] = state.array(name, np.int32, len(self))

    def _set_rights(self, index: int, track: Track) -> None:
        """Take the newest word on label and markets; what it does not name, there is not."""
        label = UNKNOWN
        if track.label is not None:
            label = self._index_of_label.setdefault(track.label, len(self._label_ids))
            if label == len(self._label_ids):
                self._label_ids.append(track.label)
        self.label_of[index] = label
        markets = None if track.markets is None else tuple(sorted(set(track.markets)))
        territory = self._territory_index.setdefault(markets, len(self.territories))
        if territory == len(self.territories):
            self.territories.append(markets)
        self.territory_of[index] = territory

    def _set_artist(self, index: int, artist_id: str) -> None:
        artist = self._index_of_artist.setdefault(artist_id, len(self._artist_ids))
        if artist == len(self._artist_ids):
            self._artist_ids.append(artist_id)
            if artist >= self.artist_capacity:
                self.tracks_of.grow(2 * self.artist_capacity)
        self.artist_of[index] = artist
        self.tracks_of.append(artist, index)

    def _grow(self, capacity: int) -> None:
        more = capacity - self.capacity
        self.artist_of = np.concatenate([self.artist_of, np.full(more, UNKNOWN, np.int32)])
        self.first_seen_ms = np.concatenate([self.first_seen_ms, np.zeros(more, np.int64)])
        self.flags = np.concatenate([self.flags, np.zeros(more, np.uint8)])
        self.label_of = np.concatenate([self.label_of, np.full(more, UNKNOWN, np.int32)])
        self.territory_of = np.concatenate([self.territory_of, np.full(more, EVERYWHERE, np.int32)])
        self.capacity = capacity
