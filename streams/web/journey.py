"""One listener's way: each event, the session that it made, the list that answered it, and what was played after it.

A fold of the records of several topics, which are read side by side: a record may come before the one that it answers,
and one that comes again changes nothing.  Bounded: the oldest rows go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

from musicrec.contracts import ListenEvent, Outcome, Recommendation, RecommendationRequest, SessionSnapshot
from musicrec.dead_letters.letter import Letter, Place
from musicrec.topics import LISTENS
from musicrec.trace_context import TraceContext
from streams.web.known_tracks import KnownTracks
from streams.web.stage import ListLine, list_line

MOST_ROWS: Final = 200
"""Kept of one listener."""
ROWS_SHOWN: Final = 50
REQUEST: Final = "request"
MESSAGE: Final = "message"
"""What cannot be read, or is known by its dead letter alone."""


class RefusedView(TypedDict):
    """Why a message of this row is a dead letter."""

    place: str
    """Where the letter lies."""
    app: str
    reason: str
    message: str


class SessionView(TypedDict):
    """The session after the event."""

    session_id: str | None
    revision: int
    tracks: int
    outcome: str | None
    """How the listen ended; None for feedback."""
    published_ms: int
    """When it was published; less `at_ms` of the row is what the session agent took, by Kafka's clock."""


class ListView(TypedDict):
    """The list that answered it."""

    list_id: str
    made_at_ms: int
    line: ListLine
    model_version: str
    index_version: str
    variant: str | None
    trace_id: str | None


class HeardView(TypedDict):
    """A listen that followed a list, held against it."""

    title: str
    artist: str
    outcome: str
    rank: int | None
    """Its place in the list; None where it was not in it."""
    at_ms: int


class RowView(TypedDict):
    """One event or request, and what came of it."""

    id: str
    type: str
    """That of an event, `request`, or `message` for what cannot be read."""
    mode: str | None
    """Of a request."""
    title: str
    artist: str
    at_ms: int | None
    """When it was published, by Kafka's timestamp."""
    occurred_at_ms: int | None
    places: list[str]
    """Where it stands; more than one where it was published more than once."""
    session: SessionView | None
    list: ListView | None
    answered_with: str | None
    """A newer event whose list answers this one too."""
    heard: list[HeardView]
    """What was played after the list, oldest first."""
    refused: list[RefusedView]


class JourneyView(TypedDict):
    """What the page shows of one listener."""

    user: str
    read_back_to_ms: int | None
    """Older messages were not looked at; None where nothing older is kept."""
    blocked: int
    """Tracks and artists that the listener has blocked."""
    discovery: float | None
    market: str | None
    rows: list[RowView]
    """Newest first."""
    rows_left_out: int


@dataclass(slots=True)
class _Row:
    id: str
    type: str
    mode: str | None = None
    track_id: str | None = None
    artist_id: str | None = None
    at_ms: int | None = None
    occurred_at_ms: int | None = None
    places: set[Place] = field(default_factory=set)
    snapshot: tuple[SessionSnapshot, int] | None = None
    made: Recommendation | None = None
    refused: dict[Place, RefusedView] = field(default_factory=dict)

    @property
    def age_key(self) -> tuple[int, int]:
        """Oldest first; rows of one millisecond by their place."""
        return (self.at_ms or 0, min((place.offset for place in self.places), default=0))


class Journey:
    """The fold."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.read_back_to_ms: int | None = None
        self._rows: dict[str, _Row] = {}
        self._by_place: dict[Place, str] = {}
        self._outcomes: dict[str, dict[str, Outcome]] = {}
        self._newest: SessionSnapshot | None = None
        self._left_out = 0

    def add_event(self, event: ListenEvent, place: Place, at_ms: int) -> None:
        """Take an event as it was published."""
        row = self._row(event.event_id, event.type.value, place, at_ms)
        row.track_id, row.artist_id, row.occurred_at_ms = event.track_id, event.artist_id, event.occurred_at_ms

    def add_request(self, request: RecommendationRequest, place: Place, at_ms: int) -> None:
        """Take a request as it was published."""
        row = self._row(_request_key(request.request_id), REQUEST, place, at_ms)
        row.mode = request.mode.value

    def add_unreadable(self, place: Place, at_ms: int) -> None:
        """Take a message of the listener that nobody can read."""
        self._row(str(place), MESSAGE, place, at_ms)

    def add_snapshot(self, snapshot: SessionSnapshot, place: Place, at_ms: int) -> None:
        """Take the session as it stood after an event."""
        trigger = snapshot.trigger
        event = Place(LISTENS.name, trigger.partition, trigger.offset)
        row = self._row(trigger.event_id, trigger.type.value, event, trigger.published_at_ms)
        row.track_id, row.artist_id = trigger.track_id, trigger.artist_id
        row.occurred_at_ms = trigger.occurred_at_ms
        if row.snapshot is None:
            row.snapshot = (snapshot, at_ms)
        self._by_place[place] = row.id
        if self._newest is None or snapshot.trigger.offset >= self._newest.trigger.offset:
            self._newest = snapshot

    def add_list(self, made: Recommendation) -> None:
        """Take a list."""
        if made.request_id is not None:
            key, kind, at_ms = _request_key(made.request_id), REQUEST, made.generated_at_ms
        elif made.trigger is not None:
            key, kind, at_ms = made.trigger.event_id, made.trigger.type.value, made.trigger.published_at_ms
        else:
            return
        row = self._row(key, kind, None, at_ms)
        if made.trigger is not None:
            row.track_id, row.artist_id = made.trigger.track_id, made.trigger.artist_id
            row.occurred_at_ms = made.trigger.occurred_at_ms
        row.mode, row.made = made.mode.value, made

    def add_outcome(self, outcome: Outcome) -> None:
        """Take a listen held against the list before it."""
        if outcome.list_id is not None:
            self._outcomes.setdefault(outcome.list_id, {})[outcome.event_id] = outcome
            if len(self._outcomes) > MOST_ROWS:
                self._outcomes.pop(next(iter(self._outcomes)))

    def add_letter(self, letter: Letter) -> None:
        """Take a dead letter of the listener, with whatever it refuses."""
        original = letter.original
        key = self._by_place.get(original) if original is not None else None
        if key is None:
            place = original or letter.place
            key = str(place)
            self._row(key, MESSAGE, place, letter.why.original_timestamp if letter.why else letter.at_ms)
        if (row := self._rows.get(key)) is not None:
            row.refused[letter.place] = {
                "place": str(letter.place),
                "app": letter.why.app if letter.why is not None else "",
                "reason": letter.reason,
                "message": letter.message,
            }

    def _row(self, key: str, kind: str, place: Place | None, at_ms: int) -> _Row:
        """Return the row of an id; a message that was known by its place alone becomes one with it."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row(key, kind)
        row.type = kind
        # Published more than once it is the first that counts.
        row.at_ms = at_ms if row.at_ms is None else min(row.at_ms, at_ms)
        if place is not None:
            self._join(row, place)
        self._forget_oldest(row)
        return row

    def _join(self, row: _Row, place: Place) -> None:
        row.places.add(place)
        before = self._by_place.get(place)
        if before is not None and before != row.id and (known := self._rows.pop(before, None)) is not None:
            row.refused |= known.refused
        self._by_place[place] = row.id

    def _forget_oldest(self, newest: _Row) -> None:
        while len(self._rows) > MOST_ROWS:
            oldest = min((row for row in self._rows.values() if row is not newest), key=lambda row: row.age_key)
            del self._rows[oldest.id]
            self._left_out += 1
            if oldest.made is not None:
                self._outcomes.pop(oldest.made.list_id, None)
            self._by_place = {place: key for place, key in self._by_place.items() if key != oldest.id}

    def view(self, names: KnownTracks) -> JourneyView:
        """Return what the page shows."""
        rows = sorted(self._rows.values(), key=lambda row: row.age_key, reverse=True)
        answered = {older: row.id for row in rows if row.made is not None for older in row.made.passed_over}
        newest = self._newest
        return {
            "user": self.user_id,
            "read_back_to_ms": self.read_back_to_ms,
            "blocked": len(newest.blocked_tracks) + len(newest.blocked_artists) if newest is not None else 0,
            "discovery": newest.discovery if newest is not None else None,
            "market": newest.market if newest is not None else None,
            "rows": [self._row_view(row, answered.get(row.id), names) for row in rows[:ROWS_SHOWN]],
            "rows_left_out": self._left_out + max(0, len(rows) - ROWS_SHOWN),
        }

    def _row_view(self, row: _Row, answered_with: str | None, names: KnownTracks) -> RowView:
        title, artist = names.name(row.track_id) if row.track_id is not None else ("", row.artist_id or "")
        made = row.made
        return {
            "id": row.id.removeprefix(f"{REQUEST} ") if row.type == REQUEST else row.id,
            "type": row.type,
            "mode": row.mode if row.type == REQUEST else None,
            "title": title,
            "artist": artist,
            "at_ms": row.at_ms,
            "occurred_at_ms": row.occurred_at_ms,
            "places": [str(place) for place in sorted(row.places)],
            "session": _session_view(*row.snapshot) if row.snapshot is not None else None,
            "list": _list_view(made, names) if made is not None else None,
            "answered_with": answered_with,
            "heard": _heard(self._outcomes.get(made.list_id, {}), names) if made is not None else [],
            "refused": list(row.refused.values()),
        }


def _request_key(request_id: str) -> str:
    # Ids of requests and of events are chosen apart, and may be alike.
    return f"{REQUEST} {request_id}"


def _session_view(snapshot: SessionSnapshot, at_ms: int) -> SessionView:
    return {
        "session_id": snapshot.session_id,
        "revision": snapshot.revision,
        "tracks": len(snapshot.entries) + snapshot.entries_left_out,
        "outcome": snapshot.trigger.outcome.value if snapshot.trigger.outcome is not None else None,
        "published_ms": at_ms,
    }


def _list_view(made: Recommendation, names: KnownTracks) -> ListView:
    return {
        "list_id": made.list_id,
        "made_at_ms": made.generated_at_ms,
        "line": list_line(made, None, names),
        "model_version": made.model_version,
        "index_version": made.index_version,
        "variant": made.variant,
        "trace_id": TraceContext(made.traceparent).trace_id if made.traceparent is not None else None,
    }


def _heard(outcomes: Mapping[str, Outcome], names: KnownTracks) -> list[HeardView]:
    return [_heard_view(outcome, names) for outcome in sorted(outcomes.values(), key=lambda each: each.played_at_ms)]


def _heard_view(outcome: Outcome, names: KnownTracks) -> HeardView:
    title, artist = names.name(outcome.track_id)
    return {
        "title": title,
        "artist": artist,
        "outcome": outcome.outcome.value,
        "rank": outcome.rank,
        "at_ms": outcome.played_at_ms,
    }
