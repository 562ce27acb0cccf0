"""Which listeners the page shows, and what it shows of each.

A listener keeps their place while they go on: a page that shuffles cannot be read.  A newcomer takes a free place, or
that of whoever has been silent longest, once that is `SILENT_MS` or more.
"""

from dataclasses import dataclass, field
from typing import Final, TypedDict

from musicrec.contracts import EventType, Mode, Outcome, Recommendation, RecommendedItem, SessionEntry, SessionSnapshot
from streams.web.known_tracks import KnownTracks

PLACES: Final = 9
SILENT_MS: Final = 45_000
"""Longer than a demo track, so that a demo session is watched to its end; shorter than a song, so that others come."""
TRACKS_SHOWN: Final = 4
ITEMS_SHOWN: Final = 10
OUTCOMES_KEPT: Final = 20


class TrackLine(TypedDict):
    """One track of a session."""

    title: str
    artist: str
    outcome: str
    """completed, partial, skipped_early or skipped_late."""
    listens: int
    feedback: float
    list_rank: int | None
    """Its place in the list before it; None where it was not in it."""
    had_list: bool
    """Whether there was a list before it, as far as the outcome is known."""


class EventLine(TypedDict):
    """What a listener did."""

    type: str
    title: str
    """Of the track; empty for an event about an artist."""
    artist: str
    discovery: float | None
    """Where they turned the dial to; None for every other event."""
    at_ms: int
    """When the page heard of it."""


class ItemLine(TypedDict):
    """One place of a list."""

    title: str
    artist: str
    reason: str
    sources: list[tuple[str, int]]
    """Source and rank in it, strongest first."""


class ListLine(TypedDict):
    """The newest list of a listener."""

    mode: str
    items: list[ItemLine]
    """The first places."""
    length: int
    """How many items the list has."""
    latency_ms: float | None
    """From the event's message timestamp to the list."""
    degraded: list[str]
    passed_over: int
    """How many earlier events it answers too."""
    is_current: bool
    """Whether it answers the newest event."""
    discovery: float | None
    """Where the listener's dial stood; None where nobody set one."""
    new_share: float | None
    """Share of its tracks that the listener never played, likewise."""


class CardView(TypedDict):
    """One listener on the page."""

    user: str
    event: EventLine | None
    """The newest event."""
    tracks: list[TrackLine]
    """The session's newest tracks, newest first."""
    tracks_in_session: int
    discovery: float | None
    """Where the discovery dial stands, -1 to 1; None where nobody set one."""
    list: ListLine | None


@dataclass(slots=True)
class Card:
    """A listener's newest records."""

    user_id: str
    at_ms: int
    """When the page last heard of them."""
    snapshot: SessionSnapshot | None = None
    recommendation: Recommendation | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """The newest outcomes by track."""

    def add_outcome(self, outcome: Outcome) -> None:
        """Remember how a listen related to its list."""
        self.outcomes.pop(outcome.track_id, None)
        self.outcomes[outcome.track_id] = outcome
        if len(self.outcomes) > OUTCOMES_KEPT:
            self.outcomes.pop(next(iter(self.outcomes)))


class Stage:
    """The listeners shown, each at a fixed place."""

    def __init__(self, places: int = PLACES) -> None:
        self._places: list[Card | None] = [None] * places
        self._by_user: dict[str, int] = {}

    @property
    def cards(self) -> list[Card]:
        """Whoever is shown, in order of their places."""
        return [card for card in self._places if card is not None]

    def find(self, user_id: str) -> Card | None:
        """Return the card of a listener who is shown."""
        place = self._by_user.get(user_id)
        return None if place is None else self._places[place]

    def admit(self, user_id: str, now_ms: int) -> Card | None:
        """Return the listener's card, on a new place where they had none; None where all places are in use."""
        card = self.find(user_id)
        if card is None:
            place = self._free_place(now_ms)
            if place is None:
                return None
            left = self._places[place]
            if left is not None:
                del self._by_user[left.user_id]
            card = self._places[place] = Card(user_id, now_ms)
            self._by_user[user_id] = place
        card.at_ms = now_ms
        return card

    def _free_place(self, now_ms: int) -> int | None:
        for place, card in enumerate(self._places):
            if card is None:
                return place
        silent = min(range(len(self._places)), key=lambda place: self._last_heard_ms(place))
        return silent if now_ms - self._last_heard_ms(silent) >= SILENT_MS else None

    def _last_heard_ms(self, place: int) -> int:
        card = self._places[place]
        return 0 if card is None else card.at_ms


def card_view(card: Card, names: KnownTracks) -> CardView:
    """Return what the page shows of a listener."""
    snapshot = card.snapshot
    shown = list_line(card.recommendation, snapshot, names) if card.recommendation is not None else None
    chosen = snapshot.discovery if snapshot is not None else None
    entries = snapshot.entries if snapshot is not None else ()
    return {
        "user": card.user_id,
        "event": event_line(snapshot, names, card.at_ms) if snapshot is not None else None,
        "tracks": [_track_line(entry, card, names) for entry in reversed(entries[-TRACKS_SHOWN:])],
        "tracks_in_session": len(entries) + (snapshot.entries_left_out if snapshot is not None else 0),
        "discovery": chosen if chosen is not None or shown is None else shown["discovery"],
        "list": shown,
    }


def event_line(snapshot: SessionSnapshot, names: KnownTracks, at_ms: int) -> EventLine:
    """Return what the listener did, in words for the page."""
    trigger = snapshot.trigger
    title, artist = "", trigger.artist_id or ""
    if trigger.track_id is not None:
        title, artist = names.name(trigger.track_id)
    return {
        "type": trigger.type.value,
        "title": title,
        "artist": artist,
        "discovery": snapshot.discovery if trigger.type is EventType.SET_DISCOVERY else None,
        "at_ms": at_ms,
    }


def _track_line(entry: SessionEntry, card: Card, names: KnownTracks) -> TrackLine:
    title, artist = names.name(entry.track_id)
    # An older listen's outcome says nothing of this one.
    outcome = card.outcomes.get(entry.track_id)
    known = outcome is not None and outcome.played_at_ms == entry.ended_at_ms
    return {
        "title": title,
        "artist": artist,
        "outcome": entry.outcome.value,
        "listens": entry.listens,
        "feedback": entry.feedback,
        "list_rank": outcome.rank if outcome is not None and known else None,
        "had_list": known and outcome is not None and outcome.list_id is not None,
    }


def list_line(shown: Recommendation, snapshot: SessionSnapshot | None, names: KnownTracks) -> ListLine:
    """Return what the page shows of a list."""
    new = shown.making.new_to_listener if shown.making is not None else None
    return {
        "mode": shown.mode.value,
        "items": [_item_line(item, names) for item in shown.items[:ITEMS_SHOWN]],
        "length": len(shown.items),
        "latency_ms": shown.timings.event_to_list_ms,
        "degraded": [code.value for code in shown.degraded],
        "passed_over": len(shown.passed_over),
        "is_current": shown.mode is not Mode.SESSION
        or snapshot is None
        or (shown.session_revision or 0) >= snapshot.revision,
        "discovery": shown.making.discovery if shown.making is not None else None,
        "new_share": len(new) / len(shown.items) if new is not None and shown.items else None,
    }


def _item_line(item: RecommendedItem, names: KnownTracks) -> ItemLine:
    title, artist = names.name(item.track_id)
    return {
        "title": title,
        "artist": artist,
        "reason": item.reason.value,
        "sources": [(source.source, source.rank) for source in item.sources],
    }
