"""What each listener likes by content: artists and tracks heard out and turned away, learned play by play."""

from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from musicrec.contracts import ListenOutcome
from musicrec.recommend.posting_lists import PostingLists

ARTIST_DECAY: Final = 0.998
"""Factor of an artist's weight per play of the listener: half of it is left after about 350."""
HIGHEST_SCALE: Final = 1e100
FAVOURITES: Final = 20
FEW_PLAYS: Final = 64
FAVOURITES_EVERY_PLAYS: Final = 16
"""Plays after which the favourite artists of a listener with more than a few are looked for again: they change slowly.
"""
TRACKS_PER_ARTIST: Final = 1_024
FIRST_ARTISTS: Final = 1_024


@dataclass(slots=True)
class Heard:
    """How often something was played, and how often not skipped."""

    plays: int = 0
    liked: int = 0

    def count(self, *, is_liked: bool) -> None:
        """Count a play."""
        self.plays += 1
        self.liked += is_liked

    @property
    def liking(self) -> float:
        """Share of plays that were not skipped, drawn towards 0.8 by five invented plays; in (0, 1)."""
        return (self.liked + 4.0) / (self.plays + 5.0)


@dataclass(slots=True)
class Taste:
    """One listener.

    Attributes:
        heard: all their plays.
        plays: by track, how often.
        last_ms: by track, when last, event time.
        artists: weight of each artist, in units of `scale`: the sum of the plays that were not skipped, faded.
        total: sum of these weights.
        favourites: the artists that weigh most.
    """

    heard: Heard = field(default_factory=Heard)
    plays: dict[int, int] = field(default_factory=dict)
    last_ms: dict[int, int] = field(default_factory=dict)
    artists: dict[int, float] = field(default_factory=dict)
    total: float = 0.0
    scale: float = 1.0
    favourites: list[int] = field(default_factory=list)

    def learn(self, track: int, artist: int, ended_at_ms: int, *, is_liked: bool) -> None:
        """Take in a play."""
        self.heard.count(is_liked=is_liked)
        self.plays[track] = self.plays.get(track, 0) + 1
        self.last_ms[track] = ended_at_ms
        # To let every weight fade, the unit grows instead.
        self.scale /= ARTIST_DECAY
        if self.scale > HIGHEST_SCALE:
            self.artists = {known: weight / self.scale for known, weight in self.artists.items()}
            self.total /= self.scale
            self.scale = 1.0
        if is_liked and artist >= 0:
            self.artists[artist] = self.artists.get(artist, 0.0) + self.scale
            self.total += self.scale
        if self.heard.plays <= FEW_PLAYS or self.heard.plays % FAVOURITES_EVERY_PLAYS == 0:
            self.favourites = nlargest(FAVOURITES, self.artists, key=lambda known: (self.artists[known], -known))

    def weight_of(self, artist: int) -> float:
        """Return the faded number of plays of the artist that were not skipped."""
        return self.artists.get(artist, 0.0) / self.scale

    def share_of(self, artist: int) -> float:
        """Return the artist's share of the faded plays that were not skipped, in [0, 1]."""
        return self.artists.get(artist, 0.0) / self.total if self.total else 0.0


class Tastes:
    """All listeners, and all tracks by artist.

    Attributes:
        by_listener: tastes.
        tracks: by track, how it was heard by everybody.
        artists: by artist, the same.
        tracks_of: the tracks of each artist, the last ones first heard.
    """

    def __init__(self) -> None:
        self.by_listener: dict[int, Taste] = {}
        self.tracks: dict[int, Heard] = {}
        self.artists: dict[int, Heard] = {}
        self.tracks_of = PostingLists(TRACKS_PER_ARTIST, FIRST_ARTISTS)

    def learn(self, listener: int, track: int, artist: int, outcome: ListenOutcome | None, ended_at_ms: int) -> None:
        """Take in a play; `artist` is -1 where nobody said whose track it is."""
        is_liked = outcome is None or not outcome.is_skip
        if track not in self.tracks:
            self.tracks[track] = Heard()
            self._file(track, artist)
        self.tracks[track].count(is_liked=is_liked)
        if artist >= 0:
            self.artists.setdefault(artist, Heard()).count(is_liked=is_liked)
        taste = self.by_listener.setdefault(listener, Taste())
        taste.learn(track, artist, ended_at_ms, is_liked=is_liked)

    def _file(self, track: int, artist: int) -> None:
        if artist < 0:
            return
        if artist >= len(self.tracks_of.start):
            self.tracks_of.grow(2 * artist)
        self.tracks_of.append(artist, track)
