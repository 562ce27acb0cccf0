"""The catalogue: what a track is called, who made it, where its audio lies."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from musicrec.contracts.record import MAX_MARKETS, DurationMs, EpochMs, Id, Market, Title, VersionedRecord

Tag = Annotated[str, StringConstraints(min_length=1, max_length=128)]
AudioUri = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Track(VersionedRecord):
    """One track, on `musicrec.tracks.v1` (compacted), keyed by `track_id`. A tombstone removes the track everywhere."""

    MAX_BYTES: ClassVar[int] = 65_536

    track_id: Id
    """The track; also the message key."""
    title: Title = ""
    """What people call it. Shown, never trusted: it is escaped wherever it appears."""
    artist_id: Id | None = None
    """Who made it; needed for artist caps, blocked artists and placing a track that nobody has played."""
    artist_name: Title = ""
    """What people call the artist."""
    album: Title = ""
    """Release the track belongs to."""
    duration_ms: DurationMs | None = None
    """Length in milliseconds."""
    tags: Annotated[tuple[Tag, ...], Field(max_length=64)] = ()
    """Genres, moods, languages: free words."""
    audio_uri: AudioUri | None = None
    """Where the audio lies: `file:` under the embedder's root, or `https:` on an allowed host."""
    released_at_ms: EpochMs | None = None
    """When it was released; new tracks get an exploration slot."""
    label: Id | None = None
    """Who published the recording; a rule can be about it."""
    markets: Annotated[tuple[Market, ...], Field(max_length=MAX_MARKETS)] | None = None
    """Where it may be played; absent for everywhere, empty for nowhere. See `CatalogueRule` for what follows."""
