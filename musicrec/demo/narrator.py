"""What the demo tells while it runs, and its summary: folded from the records on the topics."""

import statistics
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from musicrec.contracts import (
    DeadLetter,
    EventType,
    Mode,
    Outcome,
    Recommendation,
    SessionSnapshot,
    Track,
    TrackEmbedding,
)
from musicrec.topics import EMBEDDINGS, OUTCOMES, RECOMMENDATIONS, SESSIONS, TRACKS

SHOWN_ITEMS = 3
LATENCIES_KEPT = 10_000

BECAUSE: Mapping[str, str] = {
    "sessions_like_this_one": "sessions like this one went on with it",
    "often_played_next": "often played next",
    "your_own_habit": "this listener's own habit",
    "you_play_this_often": "this listener plays it often",
    "same_artist": "same artist",
    "goes_with_this_session": "goes with this session",
    "sounds_like_this_session": "sounds like this session",
    "similar_description": "described alike",
    "popular_now": "popular now",
    "new_in_the_catalogue": "new in the catalogue",
}


@dataclass(slots=True)
class Narrator:
    """Counts of one run, and lists as lines of text."""

    tracks: dict[str, Track] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    announced_ms: dict[str, int] = field(default_factory=dict)
    """Broker time at which a track first came onto its topic, since it was last removed."""
    first_listed_ms: dict[str, int] = field(default_factory=dict)
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    answered: int = 0
    """Events that a list answers, those passed over included."""

    def take(self, record: ConsumerRecord) -> Recommendation | None:
        """Count a record; return the list, if it is one that answers an event."""
        if record.topic.endswith(".dlq"):
            self.refused[DeadLetter.from_headers(list(record.headers)).reason.value] += 1
        elif record.topic == SESSIONS.name:
            self.counts["applied"] += 1
            self.counts["sessions"] += len(SessionSnapshot.decode(record.value).entries) == 1
        elif record.topic == OUTCOMES.name:
            outcome = Outcome.decode(record.value)
            self.counts["joined"] += outcome.list_id is not None
            self.counts["hits"] += outcome.rank is not None
        elif record.topic == EMBEDDINGS.name and record.value:
            self.counts["embedded"] += 1
            TrackEmbedding.decode(record.value)
        elif record.topic == TRACKS.name:
            self._take_track(record)
        elif record.topic == RECOMMENDATIONS.name:
            return self._take_list(record)
        return None

    def _take_track(self, record: ConsumerRecord) -> None:
        if not record.value:
            removed = record.key.decode()
            self.tracks.pop(removed, None)
            self.first_listed_ms.pop(removed, None)
            self.announced_ms.pop(removed, None)
            return
        track = Track.decode(record.value)
        self.tracks[track.track_id] = track
        self.announced_ms.setdefault(track.track_id, record.timestamp)

    def _take_list(self, record: ConsumerRecord) -> Recommendation | None:
        made = Recommendation.decode(record.value)
        for item in made.items:
            self.first_listed_ms.setdefault(item.track_id, made.generated_at_ms)
        if made.mode is not Mode.SESSION or made.trigger is None:
            return None
        self.counts["lists"] += 1
        self.answered += 1 + len(made.passed_over)
        if made.timings.event_to_list_ms is not None:
            self.latencies_ms.append(made.timings.event_to_list_ms)
        return made

    def lines(self, made: Recommendation) -> Iterator[str]:
        """Yield a list as text: what was heard, and the first items with their reasons."""
        trigger = made.trigger
        if trigger is None:
            return
        ended = trigger.outcome.value.replace("_", " ") if trigger.outcome is not None else trigger.type.value
        about = self.title(trigger.track_id or trigger.artist_id)
        if trigger.type is EventType.SET_DISCOVERY and made.making is not None:
            about = f"to {made.making.discovery or 0.0:+g}"
        yield f"{made.user_id}: {ended} {about}"
        for place, item in enumerate(made.items[:SHOWN_ITEMS], start=1):
            sources = ", ".join(f"{source.source} #{source.rank}" for source in item.sources[:3])
            yield f"    {place}. {self.title(item.track_id)} · {BECAUSE[item.reason.value]} ({sources})"
        for lack in made.degraded:
            yield f"    without: {lack.value}"

    def title(self, track_id: str | None) -> str:
        """Return a track's title and artist, without control characters; its id where it has no title."""
        track = self.tracks.get(track_id or "")
        text = f"{track.title} — {track.artist_name}" if track is not None and track.title else str(track_id)
        # Titles come from outside, and a terminal obeys what it is sent.
        return "".join(char if char.isprintable() else "�" for char in text)

    def announced_to_listed_s(self, since_ms: int) -> list[float]:
        """Return, for each track announced after `since_ms` that was listed since, the time between, seconds."""
        return sorted(
            (listed - self.announced_ms[track]) / 1000
            for track, listed in self.first_listed_ms.items()
            if self.announced_ms.get(track, 0) >= since_ms and listed >= self.announced_ms[track]
        )

    def summary(self, published: int, since_ms: int) -> Iterator[tuple[str, str]]:
        """Yield what happened, as names and figures."""
        refused = sum(self.refused.values())
        yield "events published", str(published)
        yield "applied", str(self.counts["applied"])
        yield "dead-lettered", str(refused) + (f" ({dict(self.refused)})" if refused else "")
        yield "sessions begun", str(self.counts["sessions"])
        yield "lists", f"{self.counts['lists']}, answering {self.answered} events"
        if self.latencies_ms:
            ordered = sorted(self.latencies_ms)
            p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
            yield "event to list", f"p50 {statistics.median(ordered):.0f} ms, p99 {p99:.0f} ms"
        if self.counts["joined"]:
            share = self.counts["hits"] / self.counts["joined"]
            yield "played from the list before", f"{share:.0%} of {self.counts['joined']} listens"
        yield "tracks embedded", str(self.counts["embedded"])
        times = self.announced_to_listed_s(since_ms)
        if times:
            yield "announced to first listed", f"median {statistics.median(times):.1f} s over {len(times)} tracks"
