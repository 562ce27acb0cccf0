"""What became of a list."""

from typing import Annotated

from pydantic import Field

from musicrec.contracts.recommendation import SourceRank
from musicrec.contracts.record import EpochMs, Id, VariantName, VersionedRecord
from musicrec.contracts.session import ListenOutcome


class Outcome(VersionedRecord):
    """A listen joined with the newest list made before it, on `musicrec.outcomes.v1`, keyed by `user_id`."""

    user_id: Id
    """The listener; also the message key."""
    event_id: Id
    """The listen."""
    track_id: Id
    """What was played."""
    outcome: ListenOutcome
    """How the listen ended."""
    played_at_ms: EpochMs
    """End of the listen."""
    session_id: Id | None = None
    """The session of the listen."""
    list_id: Id | None = None
    """The list that preceded it; none where there was no list."""
    variant: VariantName | None = None
    """Variant of the ranking that made the list; absent for the default, and where there was no list."""
    rank: Annotated[int, Field(ge=1)] | None = None
    """Place of the track in that list, from 1; none where it was not in it."""
    list_length: Annotated[int, Field(ge=0)] = 0
    """How many items the list had."""
    sources: tuple[SourceRank, ...] = ()
    """Sources of the item that was played."""
