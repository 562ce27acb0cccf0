"""What should become of each event: the session rules once more, as simply as they can be said.

It keeps everything, looks at each listener's events in the order of their partition, and shares no code with the
product; where the two differ, one of them is wrong.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from storm.traffic import FUTURE_TOLERANCE_MS, GAP_MS, GRACE_MS, Sent

SHOWN: Final = 100
"""Tracks of a session that a snapshot carries."""
SURELY_KEPT: Final = 250
"""Listens of a session that a listener's state can hold; of longer sessions the oldest are counted only."""


class Fate(StrEnum):
    """What becomes of a message."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Listen(NamedTuple):
    """One event in a listener's order: by end, then by id."""

    ended_at_ms: int
    event_id: str
    started_at_ms: int
    track_id: str | None
    type: str

    @property
    def is_listen(self) -> bool:
        """Whether it is a play or a skip."""
        return self.type in ("play", "skip")


class View(NamedTuple):
    """A session as a snapshot has to show it."""

    started_at_ms: int
    ended_at_ms: int
    listens: int
    entries: tuple[tuple[str, int, int], ...]
    """(track, listens, end of the last listen), oldest first."""
    skipped: frozenset[str]
    """Tracks whose last listen ended by the skip button; of the newest listens, as older ones may be forgotten."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What should become of one message.

    Attributes:
        at_ms: the broker's timestamp.
        reasons: what its dead letter may say; a message that was applied long ago may be found too late as well.
        revision: of the listener, after it.
        session: after it; None for feedback.
        blocked: tracks and artists that the listener blocks, after it.
        dial: where the listener's discovery dial stands, after it.
    """

    sent: Sent
    partition: int
    offset: int
    at_ms: int
    fate: Fate
    reasons: tuple[str, ...] = ()
    revision: int = 0
    session: View | None = None
    blocked: frozenset[str] = frozenset()
    dial: float | None = None

    @property
    def user_id(self) -> str:
        """The listener of an event."""
        return str(self.fields["user_id"])

    @property
    def event_id(self) -> str:
        """Id of an event."""
        return str(self.fields["event_id"])

    @property
    def is_listen(self) -> bool:
        """Whether it is a play or a skip."""
        return self.fields["type"] in ("play", "skip")

    @property
    def fields(self) -> Mapping[str, Any]:
        """The event; nothing of poison."""
        return self.sent.fields or {}


@dataclass(slots=True)
class Person:
    """All that one listener did."""

    revision: int = 0
    newest_ms: int = 0
    order: list[Listen] = field(default_factory=list)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[str, tuple[int, bool]] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    dial: tuple[int, float] | None = None
    """When it was set, and to what."""


class Reference:
    """The model: messages in, fates out."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}

    def fate(self, sent: Sent, *, partition: int, offset: int, at_ms: int) -> Expected:
        """Return what should become of a message, the ones before it on its partition being done."""

        def refused(*reasons: str) -> Expected:
            return Expected(sent, partition, offset, at_ms, Fate.REFUSED, reasons)

        event = sent.fields
        if event is None:
            return refused(sent.reason)
        person = self.people.setdefault(event["user_id"], Person())
        behind_ms = person.newest_ms - event["occurred_at_ms"]
        known = person.bodies.get(event["event_id"])
        if known is not None:
            late = ("too_late",) if behind_ms > GRACE_MS else ()
            if known != event:
                return refused("conflicting_duplicate", *late)
            return Expected(sent, partition, offset, at_ms, Fate.DUPLICATE, late)
        if event["occurred_at_ms"] - at_ms > FUTURE_TOLERANCE_MS:
            return refused("in_the_future")
        if behind_ms > GRACE_MS:
            return refused("too_late")
        session = self._apply(person, event)
        dial = None if person.dial is None else person.dial[1]
        return Expected(
            sent, partition, offset, at_ms, Fate.APPLIED, (), person.revision, session, frozenset(person.blocked), dial
        )

    def _apply(self, person: Person, event: dict[str, Any]) -> View | None:
        person.revision += 1
        person.bodies[event["event_id"]] = event
        person.newest_ms = max(person.newest_ms, event["occurred_at_ms"])
        ended_ms, played_ms = event["occurred_at_ms"], event.get("ms_played", 0)
        new = Listen(ended_ms, event["event_id"], ended_ms - played_ms, event.get("track_id"), event["type"])
        insort(person.order, new)
        what, _, about = event["type"].partition("_")
        if what in ("block", "unblock"):
            name = event[f"{about}_id"]
            person.blocks[name] = max(person.blocks.get(name, (0, False)), (ended_ms, what == "block"))
            person.blocked = frozenset(name for name, (_, blocked) in person.blocks.items() if blocked)
        if event["type"] == "set_discovery":
            word = (ended_ms, event["discovery"])
            person.dial = word if person.dial is None else max(person.dial, word)
        return session_of(person.order, new) if new.is_listen else None


def session_of(order: list[Listen], of: Listen) -> View:
    """Return the session that a listen of `order` belongs to."""
    listens = [listen for listen in order if listen.is_listen]
    first = last = listens.index(of)
    while first > 0 and listens[first].started_at_ms - listens[first - 1].ended_at_ms < GAP_MS:
        first -= 1
    while last + 1 < len(listens) and listens[last + 1].started_at_ms - listens[last].ended_at_ms < GAP_MS:
        last += 1
    session = listens[first : last + 1]
    last_type = {str(listen.track_id): listen.type for listen in session[-SHOWN:]}
    skipped = frozenset(track for track, type_ in last_type.items() if type_ == "skip")
    return View(session[0].started_at_ms, session[-1].ended_at_ms, len(session), _entries(session), skipped)


def _entries(session: Iterable[Listen]) -> tuple[tuple[str, int, int], ...]:
    counts: dict[str, int] = {}
    last: dict[str, int] = {}
    for listen in session:
        track = str(listen.track_id)
        counts[track] = counts.get(track, 0) + 1
        last.pop(track, None)
        last[track] = listen.ended_at_ms
    return tuple((track, counts[track], ended_ms) for track, ended_ms in last.items())[-SHOWN:]
