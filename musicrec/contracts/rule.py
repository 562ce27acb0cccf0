"""What operators forbid or reserve: which tracks no list may hold, where, and for how long."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, StringConstraints, model_validator

from musicrec.contracts.record import MAX_MARKETS, EpochMs, Id, Market, VersionedRecord, reject

MAX_RULE_IDS: Final = 10_000
"""Of each kind in one rule; what is longer is several rules."""
MAX_RULE_BYTES: Final = 1_048_576
"""Such a list of tracks, with ids of a hundred characters."""

Ids = Annotated[tuple[Id, ...], Field(max_length=MAX_RULE_IDS)]
Reason = Annotated[str, StringConstraints(max_length=256)]


class RuleEffect(StrEnum):
    """What a rule does."""

    DENY = "deny"
    """What it matches is not listed."""
    ALLOW = "allow"
    """In its markets, only what this or another allow rule matches is listed."""


class CatalogueRule(VersionedRecord):
    """A rule on every list, on `musicrec.rules.v1` (compacted), keyed by `name`; a tombstone withdraws it.

    A rule is in force at T where `from_ms` <= T < `until_ms`; without either it has no such end. It applies in the
    markets that it names, or in all where it names none. It matches the tracks that it names and those of the artists
    and labels that it names; a deny rule that names none of these matches every track of its markets.

    A track may be listed in market M at time T if and only if

    1. its own `markets` are absent or hold M, and
    2. no deny rule that is in force at T and applies in M matches it, and
    3. no allow rule is in force at T and applies in M, or one of these matches it.

    So deny wins over allow, and nothing depends on the order of rules. Where the listener's market is not known, a
    track may be listed if it may in every market, also in one that nobody names. T is the time of the list: of the
    event that it answers, or of the answer to a request. A label or an artist that is not known is matched by no rule.

    Markets per track are Spotify's `available_markets`, where likewise nothing is available to a listener of unknown
    country; a rule's markets and times are what a DDEX deal has as territories and validity period.
    """

    MAX_BYTES: ClassVar[int] = MAX_RULE_BYTES

    name: Id
    """What people call it; also the message key. The same name again replaces the rule."""
    effect: RuleEffect
    """Whether it forbids or reserves."""
    tracks: Ids = ()
    """Tracks that it matches."""
    artists: Ids = ()
    """Artists all of whose tracks it matches."""
    labels: Ids = ()
    """Labels all of whose tracks it matches."""
    markets: Annotated[tuple[Market, ...], Field(max_length=MAX_MARKETS)] = ()
    """Where it applies; empty for everywhere."""
    from_ms: EpochMs | None = None
    """First moment at which it is in force; absent for always."""
    until_ms: EpochMs | None = None
    """First moment at which it is no longer; absent for never."""
    reason: Reason = ""
    """Why, for people."""
    published_at_ms: EpochMs
    """When it was published, epoch milliseconds."""

    @model_validator(mode="after")
    def _matches_something_at_some_time(self) -> Self:
        names_tracks = bool(self.tracks or self.artists or self.labels)
        if self.effect is RuleEffect.ALLOW and not names_tracks:
            raise reject("tracks", "tracks: an allow rule names tracks, artists or labels that may be listed")
        if not names_tracks and not self.markets:
            raise reject("tracks", "tracks: a deny rule names tracks, artists, labels or markets")
        if self.from_ms is not None and self.until_ms is not None and self.until_ms <= self.from_ms:
            raise reject("until_ms", f"until_ms: {self.until_ms} is not after from_ms {self.from_ms}")
        return self
