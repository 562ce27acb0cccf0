"""What a platform publishes: one event per listen or per expression of taste."""

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import model_validator

from musicrec.contracts.record import Dial, DurationMs, EpochMs, Id, Market, PlayedMs, VersionedRecord, reject


class EventType(StrEnum):
    """What the listener did."""

    PLAY = "play"
    """A listen that ended by itself, or whose end is not known to be a skip."""
    SKIP = "skip"
    """A listen that the listener ended with the skip button."""
    LIKE = "like"
    DISLIKE = "dislike"
    SAVE = "save"
    SHARE = "share"
    PURCHASE = "purchase"
    BLOCK_TRACK = "block_track"
    UNBLOCK_TRACK = "unblock_track"
    BLOCK_ARTIST = "block_artist"
    UNBLOCK_ARTIST = "unblock_artist"
    SET_DISCOVERY = "set_discovery"
    """The listener asked for more new or for more familiar tracks, from now on."""

    @property
    def is_listen(self) -> bool:
        """Whether the event is a listen (play or skip) rather than feedback."""
        return self in _LISTENS

    @property
    def is_about_artist(self) -> bool:
        """Whether the event names an artist and not a track."""
        return self in _ABOUT_ARTISTS

    @property
    def is_about_track(self) -> bool:
        """Whether the event names a track."""
        return self not in _ABOUT_ARTISTS and self is not EventType.SET_DISCOVERY


_LISTENS = frozenset({EventType.PLAY, EventType.SKIP})
_ABOUT_ARTISTS = frozenset({EventType.BLOCK_ARTIST, EventType.UNBLOCK_ARTIST})


class ListenEvent(VersionedRecord):
    """One event of one listener, on `musicrec.listens.v1`, keyed by `user_id`.

    `occurred_at_ms` of a play or skip is the END of the listen; its start is `occurred_at_ms - ms_played`.
    """

    MAX_BYTES: ClassVar[int] = 10_240

    event_id: Id
    """Unique per event. The same id sent twice is applied once."""
    user_id: Id
    """The listener; also the message key, so that one listener's events stay in order."""
    type: EventType
    """What the listener did."""
    occurred_at_ms: EpochMs
    """When it happened, epoch milliseconds UTC; for play and skip the END of the listen."""
    track_id: Id | None = None
    """The track; needed by every type but block_artist, unblock_artist and set_discovery."""
    artist_id: Id | None = None
    """The track's artist where the publisher knows it; needed by block_artist and unblock_artist."""
    ms_played: PlayedMs | None = None
    """How long the listen lasted in milliseconds; needed by play and skip."""
    duration_ms: DurationMs | None = None
    """How long the track is in milliseconds, where the publisher knows it."""
    discovery: Dial | None = None
    """Where the dial stands now, from -1 (mostly familiar tracks) to 1 (mostly new ones); needed by set_discovery."""
    source: Id | None = None
    """Where it was played from: a playlist, a radio, a list id of musicrec."""
    market: Market | None = None
    """Where the listener is, ISO 3166-1 alpha-2; it holds until a later event says otherwise."""

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Self:
        if self.type.is_about_artist and self.artist_id is None:
            raise reject("artist_id", f"artist_id: a {self.type.value} event needs it")
        if self.type.is_about_track and self.track_id is None:
            raise reject("track_id", f"track_id: a {self.type.value} event needs it")
        if self.type.is_listen and self.ms_played is None:
            raise reject("ms_played", f"ms_played: a {self.type.value} event needs it")
        if self.type is EventType.SET_DISCOVERY and self.discovery is None:
            raise reject("discovery", f"discovery: a {self.type.value} event needs it")
        return self

    @property
    def started_at_ms(self) -> int:
        """Start of the listen, epoch milliseconds; of feedback, the moment itself."""
        return self.occurred_at_ms - (self.ms_played or 0)
