"""The recommendations and outcomes topics: each applied event answered, one content per list id, nothing forbidden."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import ConsumerRecord

from musicrec.contracts import Outcome, Recommendation
from storm.checks.events import Events, place
from storm.findings import Findings, Invariant
from storm.reference import Expected
from storm.traffic import DENIED, TRACKS, artist_of

LONGEST = 20
KNOWN = {f"track-{number}": artist_of(number) for number in range(TRACKS)}
FORGOTTEN_AFTER_MS = 60_000
"""After a removal no list that is made later holds the track; a worker that is cut off learns of it late."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is remembered of a list."""

    digest: int
    user_id: str
    offset: int
    """Of the event that it answers, -1 for a request's."""
    tracks: tuple[str, ...]


class Lists:
    """Lists and what became of them."""

    def __init__(self, events: Events, requested: Mapping[str, str], findings: Findings) -> None:
        """Begin; `requested` are the listeners of requests by request id."""
        self._events = events
        self._requested = requested
        self._findings = findings
        self._lists: dict[str, Made] = {}
        self.answered_ms: dict[tuple[str, str], int] = {}
        """When the first list that answers an event came onto its topic, epoch milliseconds."""
        self.removed_ms: dict[str, int] = {}
        """Tracks that were removed from the catalogue, and when."""
        self.announced: set[str] = set()
        """Tracks of the catalogue beside those that are played."""
        self.published_again = 0
        self._answers: dict[str, str] = {}
        self._joined: set[tuple[str, str]] = set()

    def take_list(self, record: ConsumerRecord) -> None:
        """Take one record of the recommendations topic, events being done."""
        made = Recommendation.decode(record.value)
        trigger = made.trigger
        answered = [*made.passed_over, *([trigger.event_id] if trigger else [])]
        for event_id in answered:
            event = made.user_id, event_id
            self.answered_ms[event] = min(record.timestamp, self.answered_ms.get(event, record.timestamp))
        digest = hash(record.value)
        if (before := self._lists.get(made.list_id)) is not None:
            self.published_again += 1
            if before.digest != digest:
                self._add(Invariant.SAME_LIST, f"{made.list_id} has two contents", record)
            return
        tracks = tuple(item.track_id for item in made.items)
        self._lists[made.list_id] = Made(digest, made.user_id, trigger.offset if trigger else -1, tracks)
        if made.request_id is not None:
            if self._answers.setdefault(made.request_id, made.list_id) != made.list_id:
                self._add(Invariant.SAME_LIST, f"request {made.request_id} has two lists", record)
            if self._requested.get(made.request_id) != made.user_id:
                self._add(Invariant.ISOLATION, f"{made.request_id} was answered for another listener", record)
        for event_id in answered:
            if (made.user_id, event_id) not in self._events.applied:
                self._add(Invariant.ISOLATION, f"{made.list_id} answers {event_id}, no applied event of theirs", record)
        if record.key != made.user_id.encode():
            self._add(Invariant.ISOLATION, f"{made.list_id} has the key of another", record)
        if fault := self._fault_of(made, tracks):
            self._add(Invariant.LISTS, f"{made.list_id}: {fault}", record)

    def _fault_of(self, made: Recommendation, tracks: tuple[str, ...]) -> str:
        scores = [item.score for item in made.items]
        if not tracks and not made.degraded:
            return "is empty and does not say why"
        if len(tracks) > LONGEST or len(set(tracks)) < len(tracks):
            return f"has {len(tracks)} tracks, {len(set(tracks))} different ones"
        if not all(map(math.isfinite, scores)) or scores != sorted(scores, reverse=True):
            return f"its scores are not in order: {scores}"
        if denied := set(DENIED).intersection(tracks):
            return f"holds what a rule denies: {sorted(denied)}"
        for track in tracks:
            if track not in KNOWN and track not in self.announced:
                return f"holds {track}, which nobody announced"
            removed_ms = self.removed_ms.get(track)
            if removed_ms is not None and made.generated_at_ms > removed_ms + FORGOTTEN_AFTER_MS:
                return f"holds {track}, removed {(made.generated_at_ms - removed_ms) / 1000:.0f} s before"
        if made.trigger is None:
            return ""
        expected = self._events.applied.get((made.user_id, made.trigger.event_id))
        return forbidden(expected, tracks) if expected is not None else ""

    def take_outcome(self, record: ConsumerRecord) -> None:
        """Take one record of the outcomes topic, lists being done."""
        outcome = Outcome.decode(record.value)
        event = self._events.applied.get((outcome.user_id, outcome.event_id))
        if event is None or not event.is_listen:
            self._add(Invariant.ISOLATION, f"an outcome of {outcome.event_id}, no applied listen of theirs", record)
            return
        self._joined.add((outcome.user_id, outcome.event_id))
        if outcome.list_id is None:
            return
        shown = self._lists.get(outcome.list_id)
        if shown is None or shown.user_id != outcome.user_id or shown.offset >= event.offset:
            self._add(Invariant.ISOLATION, f"the outcome of {outcome.event_id} names {outcome.list_id}", record)
            return
        rank = shown.tracks.index(outcome.track_id) + 1 if outcome.track_id in shown.tracks else None
        if (outcome.rank, outcome.list_length) != (rank, len(shown.tracks)):
            self._add(Invariant.LISTS, f"{outcome.event_id} has rank {outcome.rank}; its list says {rank}", record)

    def finish(self) -> None:
        """Look for what is missing, all records being taken."""
        for key, event in self._events.applied.items():
            where = f"musicrec.listens.v1[{event.partition}]@{event.offset}"
            if key not in self.answered_ms:
                self._findings.add(Invariant.LISTS, f"{event.event_id} has no list", where, event.at_ms)
            if event.is_listen and key not in self._joined:
                self._findings.add(Invariant.LISTS, f"{event.event_id} has no outcome", where, event.at_ms)
        for request_id in self._requested.keys() - self._answers.keys():
            self._findings.add(Invariant.LISTS, f"request {request_id} has no list")

    def _add(self, invariant: Invariant, what: str, record: ConsumerRecord) -> None:
        self._findings.add(invariant, what, place(record), record.timestamp)


def forbidden(expected: Expected, tracks: tuple[str, ...]) -> str:
    """Return what stands in a list after an event and must not; nothing if all may."""
    blocked = {track for track in tracks if track in expected.blocked or KNOWN.get(track) in expected.blocked}
    if blocked:
        return f"holds what the listener blocked: {sorted(blocked)}"
    if expected.session is not None:
        if (playing := expected.session.entries[-1][0]) in tracks:
            return f"holds {playing}, the newest of the session"
        if skipped := expected.session.skipped.intersection(tracks):
            return f"holds what was skipped in this session: {sorted(skipped)}"
    return ""
