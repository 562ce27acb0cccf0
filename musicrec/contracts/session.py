"""What the session agent publishes after each applied event: the listener's session as it now stands."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from musicrec.contracts.listen import EventType
from musicrec.contracts.record import Dial, EpochMs, Id, Market, PlayedMs, Record, Score, VersionedRecord


class ListenOutcome(StrEnum):
    """How a listen ended."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    SKIPPED_EARLY = "skipped_early"
    SKIPPED_LATE = "skipped_late"

    @property
    def is_skip(self) -> bool:
        """Whether the listener turned the track away."""
        return self in (ListenOutcome.SKIPPED_EARLY, ListenOutcome.SKIPPED_LATE)


class SessionEntry(Record):
    """One track of a session; a track heard again is one entry, at the place of its last listen."""

    track_id: Id
    """The track."""
    artist_id: Id | None = None
    """Its artist, where the publisher said so."""
    listens: Annotated[int, Field(ge=1)]
    """How often it was heard in this session."""
    outcome: ListenOutcome
    """How the last listen ended."""
    ms_played: PlayedMs
    """How long the last listen lasted, milliseconds."""
    played_fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """Share of the track heard in the last listen, where its duration is known."""
    ended_at_ms: EpochMs
    """End of the last listen, epoch milliseconds."""
    feedback: Score = 0.0
    """Sum of the weights of explicit feedback on this track in this session."""


class Trigger(Record):
    """The event that made a snapshot, and where it stands on its topic."""

    event_id: Id
    """Id of the event."""
    type: EventType
    """What the listener did."""
    track_id: Id | None = None
    """Track of the event."""
    artist_id: Id | None = None
    """Artist of the event."""
    outcome: ListenOutcome | None = None
    """How the listen ended; none for feedback."""
    occurred_at_ms: EpochMs
    """Event time."""
    published_at_ms: Annotated[int, Field(ge=0)]
    """Kafka's timestamp of the event's message: where event-to-list latency starts."""
    partition: Annotated[int, Field(ge=0)]
    """Partition of the listens topic."""
    offset: Annotated[int, Field(ge=0)]
    """Offset in that partition."""


class SessionSnapshot(VersionedRecord):
    """One listener's session after one applied event, on `musicrec.sessions.v1`, keyed by `user_id`."""

    MAX_BYTES: ClassVar[int] = 1_048_576

    user_id: Id
    """The listener; also the message key."""
    revision: Annotated[int, Field(ge=1)]
    """Events applied for this listener so far. A revision seen before is a repetition of the same snapshot."""
    session_id: Id | None = None
    """The session; none when the event is feedback outside any session."""
    supersedes: tuple[Id, ...] = ()
    """Ids this session had before a late event moved its start or joined two sessions into one."""
    started_at_ms: EpochMs | None = None
    """Start of the first listen."""
    last_ended_at_ms: EpochMs | None = None
    """End of the last listen."""
    entries: tuple[SessionEntry, ...] = ()
    """Tracks in order of their last listen, newest last. The oldest of a very long session are left out."""
    entries_left_out: Annotated[int, Field(ge=0)] = 0
    """How many older tracks `entries` leaves out."""
    previous_track_id: Id | None = None
    """The listen just before the trigger's, in event time and in the same session; none for its first."""
    trigger: Trigger
    """The event behind this snapshot."""
    blocked_tracks: tuple[Id, ...] = ()
    """Tracks that this listener never wants to hear, whatever the session."""
    blocked_artists: tuple[Id, ...] = ()
    """Artists that this listener never wants to hear."""
    discovery: Dial | None = None
    """Where this listener set the discovery dial, from -1 (mostly familiar tracks) to 1 (mostly new ones), whatever the
    session; absent where they never did."""
    market: Market | None = None
    """Where the listener is, as the newest event says that names a market; absent where none did."""


class SnapshotHead(VersionedRecord):
    """A snapshot without its entries, for whoever needs the trigger alone: parsed in a fraction of the time."""

    MAX_BYTES: ClassVar[int] = SessionSnapshot.MAX_BYTES

    user_id: Id
    """The listener."""
    session_id: Id | None = None
    """The session."""
    trigger: Trigger
    """The event behind the snapshot."""
