"""What is published: listeners with tastes and pauses, and all that a topic gets beside good events.

A function of the seed and of the bursts: the n-th message of a storm is the same in each run.  Event times begin weeks
ago and run faster than the clock, so that a storm of minutes sees sessions begin and end by the gap.
"""

import json
import random
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from storm.poison import poison
from storm.schedule import Fault

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
GAP_MS: Final = 40 * MINUTE_MS
GRACE_MS: Final = 10 * MINUTE_MS
FUTURE_TOLERANCE_MS: Final = 5 * MINUTE_MS
"""The defaults of the session rules; the reference goes by them."""

TICK_S: Final = 0.1
USER_PREFIX: Final = "storm-listener-"
"""No log may hold it."""
TRACKS, ARTISTS, TASTES = 240, 40, 12
NUMBER_HEADER: Final = "storm-number"
"""Header by which a message is known again, whatever its bytes are."""
FEEDBACK: Final = (
    "like", "dislike", "save", "share", "block_track", "unblock_track", "block_artist", "unblock_artist",
    "set_discovery",
)  # fmt: skip
DIAL_STOPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)
DENIED: Final = ("track-77", "track-177")
"""Tracks that are played, and that a rule which stands before the first list keeps out of all lists."""
DOOMED: Final = "doomed-"
"""Beginning of tracks that are announced, never played, and removed."""


class Label(StrEnum):
    """What a message is meant to be."""

    GOOD = "good"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REORDERED = "reordered"
    TOO_LATE = "too_late"
    FUTURE = "future"
    POISON = "poison"
    HOT = "hot"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message for the listens topic."""

    number: int
    label: Label
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    fields: dict[str, Any] | None = None
    """The event; None for poison."""
    reason: str = ""
    """What the dead letter of poison has to say; of all others the reference decides."""


@dataclass(slots=True)
class Listener:
    """Somebody who listens: where their time stands, and what they sent last."""

    user_id: str
    clock_ms: int
    taste: int
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=5))


BURSTS: Final = {
    Fault.POISON: (Label.POISON,),
    Fault.DUPLICATES: (Label.DUPLICATE, Label.CONFLICT),
    Fault.REORDERED: (Label.REORDERED,),
    Fault.TOO_LATE: (Label.TOO_LATE,),
    Fault.FUTURE: (Label.FUTURE,),
}
BURST_PER_TICK: Final = 3
HOT_PER_TICK: Final = 20

MIXTURE: Final = {
    Label.GOOD: 930,
    Label.DUPLICATE: 20,
    Label.CONFLICT: 5,
    Label.REORDERED: 20,
    Label.TOO_LATE: 5,
    Label.FUTURE: 5,
    Label.POISON: 15,
}


class Traffic:
    """The messages of a storm."""

    def __init__(self, seed: int, now_ms: int, *, rate_per_s: float, listeners: int = 300) -> None:
        """Begin.

        Args:
            seed: decides everything but the times.
            now_ms: the present, epoch milliseconds: what is too early or in the future depends on it.
            rate_per_s: messages beside bursts.
            listeners: how many listen at the same time; who reaches the present makes room for a new one.
        """
        self._draw = random.Random(f"traffic {seed}")
        self._seed = seed
        self._now_ms = now_ms
        self._per_tick = rate_per_s * TICK_S
        self._due = 0.0
        self._made = 0
        self._numbered = 0
        self._people = 0
        self._listeners = [self._new_listener() for _ in range(listeners)]
        self._bot = self._new_listener()

    def tick(self, bursts: Collection[Fault], elapsed_ms: int) -> Iterator[Sent]:
        """Yield the messages of the next tenth of a second.

        Args:
            bursts: faults of the traffic that are on.
            elapsed_ms: time since the beginning: events may be as late as the present, not later.
        """
        self._due += self._per_tick
        while self._due >= 1:
            self._due -= 1
            (label,) = self._draw.choices(list(MIXTURE), list(MIXTURE.values()))
            yield self._message(label, elapsed_ms)
        for fault in sorted(bursts):
            if fault is Fault.HOT_LISTENER:
                for _ in range(HOT_PER_TICK):
                    yield self._sent(Label.HOT, self._next_event(self._bot, bot=True))
            else:
                for _ in range(BURST_PER_TICK):
                    yield self._message(self._draw.choice(BURSTS[fault]), elapsed_ms)

    def _message(self, label: Label, elapsed_ms: int) -> Sent:
        place = self._draw.randrange(len(self._listeners))
        listener = self._listeners[place]
        if listener.clock_ms > self._now_ms - DAY_MS:
            listener = self._listeners[place] = self._new_listener()
        if label is Label.POISON:
            bad = poison(self._draw, self._next_event(listener))
            return self._number(Label.POISON, bad.key, bad.value, bad.headers, None, bad.reason)
        if label is Label.FUTURE:
            ahead_ms = FUTURE_TOLERANCE_MS + self._draw.randint(2 * MINUTE_MS, 80 * 365 * DAY_MS)
            at_ms = min(self._now_ms + elapsed_ms + ahead_ms, 4_102_444_800_000)
            return self._sent(label, self._event(listener, at_ms))
        if not listener.recent or label is Label.GOOD:
            return self._sent(Label.GOOD, self._next_event(listener))
        newest_ms = max(event["occurred_at_ms"] for event in listener.recent)
        if label is Label.REORDERED:
            return self._sent(label, self._event(listener, newest_ms - self._draw.randint(1, GRACE_MS)))
        if label is Label.TOO_LATE:
            behind_ms = GRACE_MS + self._draw.choice((1, MINUTE_MS, HOUR_MS, 30 * DAY_MS))
            return self._sent(label, self._event(listener, newest_ms - behind_ms))
        again = self._draw.choice(listener.recent)
        if label is Label.CONFLICT:
            again = again | {"artist_id": f"another {self._made}"}
        return self._sent(label, again)

    def _new_listener(self) -> Listener:
        self._people += 1
        start_ms = self._now_ms - self._draw.randint(40 * DAY_MS, 80 * DAY_MS)
        return Listener(f"{USER_PREFIX}{self._seed}-{self._people}", start_ms, self._draw.randrange(TASTES))

    def _next_event(self, listener: Listener, *, bot: bool = False) -> dict[str, Any]:
        played_ms = self._draw.randint(1_000, 240_000)
        pause_ms = self._draw.randint(0, MINUTE_MS)
        chance = self._draw.random()
        if bot:
            played_ms, pause_ms = 1_000, 0
        elif chance < 0.06:  # at the gap, and a millisecond to either side
            pause_ms = GAP_MS + self._draw.choice((-1, 0, 1))
        elif chance < 0.10:
            pause_ms = self._draw.randint(HOUR_MS, 8 * HOUR_MS)
        listener.clock_ms += pause_ms + played_ms
        event = self._event(listener, listener.clock_ms, played_ms)
        listener.recent.append(event)
        return event

    def _event(self, listener: Listener, at_ms: int, played_ms: int = 30_000) -> dict[str, Any]:
        self._made += 1
        track = listener.taste * (TRACKS // TASTES) + min(
            int(self._draw.expovariate(1 / 6)), TRACKS - 1 - listener.taste * (TRACKS // TASTES)
        )
        chance = self._draw.random()
        kind = "play" if chance < 0.75 else "skip" if chance < 0.93 else self._draw.choice(FEEDBACK)
        event: dict[str, Any] = {
            "event_id": f"event-{self._seed}-{self._made}",
            "user_id": listener.user_id,
            "type": kind,
            "occurred_at_ms": at_ms,
        }
        if kind == "set_discovery":
            return event | {"discovery": self._draw.choice(DIAL_STOPS)}
        if kind.endswith("_artist"):
            return event | {"artist_id": artist_of(track)}
        event |= {"track_id": f"track-{track}", "artist_id": artist_of(track)}
        if kind in ("play", "skip"):
            event |= {"ms_played": played_ms, "duration_ms": 240_000}
        return event

    def _sent(self, label: Label, fields: dict[str, Any]) -> Sent:
        return self._number(label, fields["user_id"].encode(), json.dumps(fields).encode(), [], fields)

    def _number(
        self,
        label: Label,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        fields: dict[str, Any] | None,
        reason: str = "",
    ) -> Sent:
        number = self._numbered
        self._numbered += 1
        return Sent(number, label, key, value, [*headers, (NUMBER_HEADER, str(number).encode())], fields, reason)


def artist_of(track: int) -> str:
    """Return the artist of the track with this number."""
    return f"artist-{track % ARTISTS}"


def catalogue() -> list[dict[str, Any]]:
    """Return the tracks that can be played."""
    return [
        {"track_id": f"track-{n}", "title": f"Track {n}", "artist_id": artist_of(n), "duration_ms": 240_000}
        for n in range(TRACKS)
    ]
