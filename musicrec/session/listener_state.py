"""All that is kept of one listener: the events that still matter, what they block, where the dial and they stand.

The state is a set of applied events, not a running total: a session is folded out of it whenever it is needed, so a
late event that is put in its place gives the very session that arrival in order would have given.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, Self, cast

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from musicrec.errors import BadInput, DeadLetterReason, Incompatible

STATE_VERSION = 1
STATE_VERSION_WITH_DIAL = 2
"""A state that holds a dial ends with it.  One without is written as before dials, so that both releases read it."""
STATE_VERSION_WITH_MARKET = 3
"""Likewise one that holds a market: it ends with the dial, or null, and the market."""
STATE_VERSIONS: Final = (STATE_VERSION, STATE_VERSION_WITH_DIAL, STATE_VERSION_WITH_MARKET)


class Position(NamedTuple):
    """Where a message stands."""

    origin: str
    """Identity of the topic: offsets on another cluster, or on a topic that was made anew, mean nothing here."""
    partition: int
    offset: int
    timestamp_ms: int
    """Kafka's timestamp of the message, epoch milliseconds."""


class AppliedEvent(NamedTuple):
    """One event that was applied; sorted by time, then id, so that arrival order leaves no trace."""

    occurred_at_ms: int
    event_id: str
    type: str
    track_id: str | None
    artist_id: str | None
    ms_played: int | None
    duration_ms: int | None
    digest: int
    """CRC-32 of the event: the same id with another digest is a conflict, not a repetition."""

    @property
    def is_listen(self) -> bool:
        """Whether it is a play or a skip."""
        return self.type in ("play", "skip")

    @property
    def started_at_ms(self) -> int:
        """Start of the listen."""
        return self.occurred_at_ms - (self.ms_played or 0)


class Block(NamedTuple):
    """The newest word on one blocked or unblocked id; the later event time wins, whatever arrives first."""

    set_at_ms: int
    blocked: bool


class SetDial(NamedTuple):
    """The newest word on a dial; the later event time wins, and at the same millisecond the higher value."""

    set_at_ms: int
    value: float


class SetMarket(NamedTuple):
    """The newest word on where the listener is; the later event time wins, then the later code of the alphabet."""

    set_at_ms: int
    market: str


class CutSession(NamedTuple):
    """What is left of a session whose oldest events were dropped to bound the state."""

    session_id: str
    started_at_ms: int
    tracks_dropped: int


@dataclass(frozen=True, slots=True)
class ListenerState:
    """State of one listener after `revision` applied events."""

    revision: int = 0
    newest_ms: int = 0
    """Newest event time seen; the watermark lies one grace behind it."""
    events: tuple[AppliedEvent, ...] = ()
    """In order: the running session, and older ones that a late event can still touch."""
    cut: CutSession | None = None
    """Head of the oldest kept session where its first events were dropped."""
    tracks: tuple[tuple[str, Block], ...] = ()
    artists: tuple[tuple[str, Block], ...] = ()
    origin: str = ""
    partition: int = -1
    offset: int = -1
    """Newest applied position: what is not beyond it was applied before."""
    discovery: SetDial | None = None
    """Where the listener set the discovery dial; None where they never did."""
    market: SetMarket | None = None
    """Where the listener is; None where no event said so."""

    @property
    def is_kept(self) -> bool:
        """Whether the listener said something that outlives their sessions; where they are, later events say anew."""
        return self.discovery is not None or any(block.blocked for _, block in (*self.tracks, *self.artists))

    def has_applied(self, position: Position) -> bool:
        """Whether the message at `position` was applied before, or lies before one that was."""
        return (
            position.origin == self.origin and position.partition == self.partition and position.offset <= self.offset
        )

    def encode(self) -> bytes:
        """Return the state as JSON."""
        later: tuple[SetDial | SetMarket | None, ...] = () if self.discovery is None else (self.discovery,)
        if self.market is not None:
            later = (self.discovery, self.market)
        return to_json(
            [
                STATE_VERSIONS[len(later)],
                self.revision,
                self.newest_ms,
                self.events,
                self.cut,
                self.tracks,
                self.artists,
                self.origin,
                self.partition,
                self.offset,
                *later,
            ]
        )

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Parse a stored state.

        Raises:
            BadInput: it is damaged.
            Incompatible: it was written by another release.
        """
        stored, dial, market = _stored(value)
        version, revision, newest_ms, events, cut, tracks, artists, origin, partition, offset = stored
        if version != STATE_VERSIONS[0 if dial is None and market is None else 1 if market is None else 2]:
            raise _unreadable(value)
        return cls(
            revision=revision,
            newest_ms=newest_ms,
            events=tuple(map(AppliedEvent._make, events)),
            cut=None if cut is None else CutSession._make(cut),
            tracks=tuple((key, Block._make(block)) for key, block in tracks),
            artists=tuple((key, Block._make(block)) for key, block in artists),
            origin=origin,
            partition=partition,
            offset=offset,
            discovery=None if dial is None else SetDial._make(dial),
            market=None if market is None else SetMarket._make(market),
        )


_Event = tuple[int, str, str, str | None, str | None, int | None, int | None, int]
_Blocks = tuple[tuple[str, tuple[int, bool]], ...]
_Cut = tuple[str, int, int] | None
_Dial = tuple[int, Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]]
_Market = tuple[int, Annotated[str, Field(pattern="^[A-Z]{2}$")]]
_Stored = tuple[int, int, int, tuple[_Event, ...], _Cut, _Blocks, _Blocks, str, int, int]
_STORED: TypeAdapter[_Stored] = TypeAdapter(_Stored, config={"strict": True})
"""Checked field by field in compiled code, which takes no longer than parsing without a check."""
_STORED_WITH_DIAL = TypeAdapter(
    tuple[int, int, int, tuple[_Event, ...], _Cut, _Blocks, _Blocks, str, int, int, _Dial], config={"strict": True}
)
_STORED_WITH_MARKET = TypeAdapter(
    tuple[int, int, int, tuple[_Event, ...], _Cut, _Blocks, _Blocks, str, int, int, _Dial | None, _Market],
    config={"strict": True},
)


def _stored(value: bytes) -> tuple[_Stored, tuple[int, float] | None, tuple[int, str] | None]:
    """Return what every state holds, the dial, and the market."""
    # The first number tells which check will do: a state that fails one is parsed only once for that.
    if value.startswith(f"[{STATE_VERSION_WITH_MARKET},".encode()):
        with suppress(ValidationError):
            *stored, dial, market = _STORED_WITH_MARKET.validate_json(value)
            return cast(_Stored, stored), dial, market
    with suppress(ValidationError):  # nearly everybody leaves the dial alone
        return _STORED.validate_json(value), None, None
    try:
        *stored, dial = _STORED_WITH_DIAL.validate_json(value)
    except ValidationError:
        raise _unreadable(value) from None
    return cast(_Stored, stored), dial, None


def _unreadable(value: bytes) -> BadInput | Incompatible:
    try:
        version = from_json(value)[0]
    except (ValueError, TypeError, LookupError):
        version = None
    if version in STATE_VERSIONS or not isinstance(version, int):
        return BadInput(f"a damaged session state of {len(value)} bytes", DeadLetterReason.UNREADABLE_STATE)
    return Incompatible(
        f"a stored session state has version {version}; this release reads up to {STATE_VERSIONS[-1]}: "
        "run the release that wrote it, or let the sessions end first"
    )
