"""What consumers ask for and what they get."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from musicrec.contracts.record import (
    Dial,
    EpochMs,
    Id,
    Market,
    Probability,
    Record,
    Score,
    VariantName,
    VersionedRecord,
    reject,
)
from musicrec.contracts.session import Trigger
from musicrec.trace_context import TRACEPARENT_PATTERN

MAX_LIST_LENGTH = 200

Count = Annotated[int, Field(ge=0)]


class Mode(StrEnum):
    """What kind of list it is."""

    SESSION = "session"
    """The answer to an event: what to play next in this session."""
    PERSONAL = "personal"
    """On request: for this listener, songs that are new to them included."""
    NEW = "new"
    """On request: tracks that came into the catalogue lately."""
    POPULAR = "popular"
    """On request: what is played most at present."""
    SIMILAR = "similar"
    """On request: tracks near to a given one."""


class ReasonCode(StrEnum):
    """Why an item stands in a list, in one word; the source that gave it the largest part of its score."""

    SESSIONS_LIKE_THIS = "sessions_like_this_one"
    """Other sessions that hold these tracks went on with it."""
    OFTEN_NEXT = "often_played_next"
    """It often follows the tracks just played."""
    YOUR_HABIT = "your_own_habit"
    """This listener plays it after the current track."""
    YOU_PLAY_THIS = "you_play_this_often"
    """This listener plays it often, or did lately."""
    SAME_ARTIST = "same_artist"
    """By an artist of this session."""
    GOES_WITH_THIS = "goes_with_this_session"
    """A network that was trained on sessions places it next."""
    SOUNDS_LIKE = "sounds_like_this_session"
    """Its audio is near to what is playing."""
    SIMILAR_DESCRIPTION = "similar_description"
    """The catalogue says of it what it says of this session's tracks: tags, album, label, words of titles."""
    POPULAR_NOW = "popular_now"
    """Many listeners play it at present."""
    NEW_HERE = "new_in_the_catalogue"
    """It came into the catalogue lately."""


class Degradation(StrEnum):
    """What an answer had to do without; an answer that lacks nothing carries none."""

    NO_HISTORY = "no_history"
    """Nothing is known of this listener: popular and new tracks."""
    UNKNOWN_TRACKS = "unknown_tracks"
    """No track of the session was ever seen before: popular and new tracks."""
    UNKNOWN_SEED = "unknown_seed"
    """The track of a similar-to request is not known."""
    EMPTY_CATALOGUE = "empty_catalogue"
    """There is nothing to recommend yet; the list is empty."""
    EVERYTHING_EXCLUDED = "everything_excluded"
    """Every candidate is blocked, ruled out, skipped or playing; the list is empty."""
    NO_AUDIO_INDEX = "no_audio_index"
    """The vector index holds nothing yet: no audio neighbours."""


class RecommendationRequest(VersionedRecord):
    """A question, on `musicrec.requests.v1`, keyed by `user_id`; the answer carries its `request_id`."""

    MAX_BYTES: ClassVar[int] = 10_240

    request_id: Id
    """Correlates the answer; asking twice with one id gives one list id."""
    user_id: Id
    """The listener; also the message key."""
    mode: Mode = Mode.PERSONAL
    """Kind of list; `session` answers with the listener's running session."""
    track_id: Id | None = None
    """Seed of a similar-to request."""
    limit: Annotated[int, Field(ge=1, le=MAX_LIST_LENGTH)] = 20
    """How many items."""
    requested_at_ms: EpochMs
    """When it was asked."""
    market: Market | None = None
    """Where the listener is; where it is absent, what their events said."""

    @model_validator(mode="after")
    def _similar_needs_a_seed(self) -> Self:
        if self.mode is Mode.SIMILAR and self.track_id is None:
            raise reject("track_id", "track_id: a similar request needs it")
        return self


class SourceRank(Record):
    """One candidate source that proposed an item."""

    source: Id
    """Name of the source."""
    rank: Annotated[int, Field(ge=1)]
    """Place in that source's own list, from 1."""


class RecommendedItem(Record):
    """One place of a list."""

    track_id: Id
    """The track."""
    score: Score
    """Fused score; higher is better, never above that of the place before, comparable within one list only."""
    sources: tuple[SourceRank, ...]
    """Where it came from, strongest first."""
    reason: ReasonCode
    """Why it is here, in one word."""
    propensity: Probability | None = None
    """Of a newly announced track in an exploration slot: the probability with which it was drawn for the slot, given
    those of the slots before it. Absent elsewhere, where nothing is left to chance."""


class ExcludedCandidates(Record):
    """Tracks that a source proposed and that must not be listed, each counted once."""

    playing: Count = 0
    """It is playing, or is the seed of a similar-to request."""
    skipped: Count = 0
    """Skipped in this session."""
    blocked: Count = 0
    """The listener blocked the track."""
    artist_blocked: Count = 0
    """The listener blocked the artist."""
    removed: Count = 0
    """Taken out of the catalogue."""
    ruled_out: Count | None = None
    """Kept out by a `CatalogueRule` or by the track's own markets; absent where neither could keep anything out."""


class Making(Record):
    """How a list came to be: candidates, fused into one order; the ranker's order; then the rules on whole lists."""

    sources: tuple[Id, ...]
    """Names of the sources that had a weight, those that proposed nothing among them."""
    weights: tuple[Score, ...]
    """For each source the weight of its ranks."""
    proposed: tuple[Count, ...]
    """For each source how many candidates it had, those that must not be listed among them."""
    rank_constant: Score
    """An item's fused score is the sum of weight / (this + rank) over its sources."""
    repeat_factor: Score
    """What the fused score is multiplied with where the track was heard in this session."""
    candidates: Count
    """Fused candidates that might be listed."""
    excluded: ExcludedCandidates
    """What might not."""
    ranked: Count
    """So many of the best candidates the ranker ordered anew; 0 where the order is the fusion's."""
    fusion_ranks: Annotated[tuple[Count, ...], Field(max_length=MAX_LIST_LENGTH)]
    """For each item its place in the fusion's order, from 1; 0 for a newly announced track in an exploration slot."""
    ranker_ranks: Annotated[tuple[Count, ...], Field(max_length=MAX_LIST_LENGTH)] = ()
    """The same in the order after the ranker; empty where no dial and no rule on whole lists changed that order."""
    heard: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=MAX_LIST_LENGTH)] = ()
    """Places of this list, from 1, whose tracks were heard in this session."""
    artist_cap: Count = 0
    """Most tracks of one artist, where candidates allow; 0 for no cap."""
    new_share: Score = 0.0
    """Least share of tracks that the listener never played, where there are any."""
    discovery: Dial | None = None
    """Where the listener's discovery dial stood; absent where nobody set one."""
    popularity_dial: Score | None = None
    """Taken off a score per logarithm of the track's plays by everybody, beside what the discovery dial does; absent
    where it is 0."""
    dial_ranks: Annotated[tuple[Count, ...], Field(max_length=MAX_LIST_LENGTH)] | None = None
    """For each item its place in the order that the dials gave, from 1; absent where none was turned, empty where the
    rules on whole lists kept that order."""
    diversity: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Weight of not being similar to what is listed already; absent where nothing was done for variety."""
    new_to_listener: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=MAX_LIST_LENGTH)] | None = None
    """Places of this list, from 1, whose tracks the listener never played; absent where nobody set a dial."""
    skips_per_1000: Annotated[tuple[Count, ...], Field(max_length=MAX_LIST_LENGTH)] | None = None
    """For each item the skips foreseen in a thousand plays of it; 0 where the ranker did not order it. Absent where no
    skip was foreseen."""
    skip_moves: Annotated[tuple[int, ...], Field(max_length=MAX_LIST_LENGTH)] | None = None
    """For each item by how many places of the ranker's order that moved it down, or up (below 0); likewise."""
    market: Market | None = None
    """Where the listener was taken to be; absent where nobody said: what rules admit in every market is listed."""


class Timings(Record):
    """Where the time went, milliseconds."""

    event_to_list_ms: Score | None = None
    """From the event's message timestamp to this list, by the broker's and this host's clocks."""
    ranking_ms: Score
    """Candidates, fusion and re-ranking."""


class Recommendation(VersionedRecord):
    """One list, on `musicrec.recommendations.v1`, keyed by `user_id`."""

    MAX_BYTES: ClassVar[int] = 262_144

    list_id: Id
    """A function of what was answered: the same event or request gives the same id again."""
    user_id: Id
    """The listener; also the message key."""
    mode: Mode
    """Kind of list."""
    items: Annotated[tuple[RecommendedItem, ...], Field(max_length=MAX_LIST_LENGTH)]
    """Best first. Empty only together with a `degraded` code that says why."""
    session_id: Id | None = None
    """The session it continues."""
    session_revision: Annotated[int, Field(ge=1)] | None = None
    """Revision of the snapshot it answers."""
    trigger: Trigger | None = None
    """The event it answers."""
    request_id: Id | None = None
    """The request it answers."""
    passed_over: tuple[Id, ...] = ()
    """Events of this listener that this list answers too, because it came when newer ones were waiting already."""
    degraded: tuple[Degradation, ...] = ()
    """What the answer had to do without."""
    model_version: Id
    """Ranking configuration and models."""
    variant: VariantName | None = None
    """Variant of the ranking that made it; absent for the default."""
    index_version: Id
    """Embedding model and generation of the vector index."""
    generated_at_ms: EpochMs
    """When it was made."""
    timings: Timings
    """Where the time went."""
    making: Making | None = None
    """How it came to be; `musicrec explain` puts it into words."""
    traceparent: Annotated[str, StringConstraints(pattern=TRACEPARENT_PATTERN)] | None = None
    """The span that made it (W3C Trace Context), as the message header of this name; absent where nobody traces."""


class ShadowRecommendation(Recommendation):
    """A list that a variant made and nobody was shown, on `musicrec.shadow-recommendations.v1`, keyed by `user_id`.

    Each event may have one more than once, not always with the same items: what is shown is settled, this is not.
    """
