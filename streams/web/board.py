"""What the page shows, folded from the records of the topics: pure, and bounded whatever the traffic."""

from collections import OrderedDict, deque
from typing import Final, TypedDict

from musicrec.contracts import DeadLetter, Mode, Outcome, Recommendation, SessionSnapshot, Track
from streams.web.broker_survey import BrokerFigures
from streams.web.dead_letters import DeadLetters, DeadLettersView
from streams.web.flow import Flow, FlowView
from streams.web.hit_rate import HitRate, HitRateView
from streams.web.known_tracks import IndexView, KnownTracks
from streams.web.lately_made import LatelyMade, LatelyMadeView
from streams.web.rolling_minute import RollingMinute
from streams.web.stage import Card, CardView, EventLine, ListLine, Stage, card_view, event_line, list_line
from streams.web.standing import Standing, StandingView
from streams.web.variant_rates import VariantRates, VariantView

LATEST_EVENTS: Final = 9
LATEST_ANSWERS: Final = 3
EARLY_OUTCOMES: Final = 200
"""Kept of listeners who are not shown, the newest of each."""


class FiguresView(TypedDict):
    """The strip at the top."""

    events: int
    """Session snapshots seen since the page began to follow: applied events."""
    lists: int
    events_per_s: float
    lists_per_s: float
    latency_p50_ms: float | None
    """From an event's message timestamp to its list, over the last minute."""
    latency_p99_ms: float | None
    hit_rate: HitRateView
    lag: dict[str, int | None]
    """Agent ▸ messages not committed yet; None where the agent never ran."""
    tracks: int
    embedded: int


class MinuteView(TypedDict):
    """The last sixty whole seconds, oldest first."""

    events: list[int]
    latency_p50_ms: list[float | None]


class LatestEvent(EventLine):
    """One line of the stream of events."""

    user: str


class AnswerView(TypedDict):
    """The answer to an explicit request."""

    user: str
    at_ms: int
    list: ListLine


class BoardView(TypedDict):
    """What is the same for everybody who looks."""

    figures: FiguresView
    minute: MinuteView
    sessions: list[CardView]
    latest: list[LatestEvent]
    """Newest first, of all listeners."""
    answers: list[AnswerView]
    """Newest first."""
    variants: list[VariantView]
    """Empty where there is nothing beside the default."""
    dead_letters: DeadLettersView
    kafka_away: bool
    """Whether the broker did not answer when it was last asked."""
    flow: FlowView
    lately_made: LatelyMadeView
    standing: StandingView
    index: IndexView


class Board:
    """The fold; `now_ms` is processing time, epoch milliseconds, and comes from the caller."""

    def __init__(self) -> None:
        self.names = KnownTracks()
        self.standing = Standing()
        self.broker: BrokerFigures | None = None
        """What the broker said last."""
        self.kafka_away = False
        self._flow = Flow()
        self._lately_made = LatelyMade()
        self._minute = RollingMinute()
        self._hit_rate = HitRate()
        self._variants = VariantRates()
        self._dead_letters = DeadLetters()
        self._stage = Stage()
        self._latest: deque[tuple[int, SessionSnapshot]] = deque(maxlen=LATEST_EVENTS)
        self._answers: deque[tuple[int, Recommendation]] = deque(maxlen=LATEST_ANSWERS)
        self._early: OrderedDict[str, Outcome] = OrderedDict()
        self._events = 0
        self._lists = 0

    def add_session(self, snapshot: SessionSnapshot, now_ms: int) -> None:
        """Take a session as it stands after an event."""
        self._events += 1
        self._minute.count_event(now_ms)
        self._latest.appendleft((now_ms, snapshot))
        card = self._admitted(snapshot.user_id, now_ms)
        if card is not None:
            card.snapshot = snapshot

    def add_recommendation(self, shown: Recommendation, now_ms: int) -> None:
        """Take a list; the answer to a request stands apart from the listener's session."""
        self._lists += 1
        self._minute.count_list(now_ms, shown.timings.event_to_list_ms)
        self._lately_made.add(shown, now_ms)
        if shown.request_id is not None or shown.mode is not Mode.SESSION:
            self._answers.appendleft((now_ms, shown))
            return
        # Topics are read side by side, so a list may come before the session that it answers.
        card = self._admitted(shown.user_id, now_ms)
        if card is not None:
            card.recommendation = shown

    def add_broker_figures(self, figures: BrokerFigures) -> None:
        """Take what the broker says of topics and groups."""
        self.broker, self.kafka_away = figures, False
        self._flow.take(figures)

    def add_outcome(self, outcome: Outcome) -> None:
        """Take what became of a list."""
        if self._hit_rate.add(outcome):
            self._variants.add(outcome)
        card = self._stage.find(outcome.user_id)
        if card is not None:
            card.add_outcome(outcome)
            return
        # Likewise: of the play that makes the listener somebody who is shown.
        self._early[outcome.user_id] = outcome
        self._early.move_to_end(outcome.user_id)
        if len(self._early) > EARLY_OUTCOMES:
            self._early.popitem(last=False)

    def add_track(self, track: Track) -> None:
        """Take a track's title."""
        self.names.learn(track)

    def add_dead_letter(self, topic: str, letter: DeadLetter, now_ms: int) -> None:
        """Take a message that was refused from `topic`."""
        self._dead_letters.add(topic, letter, now_ms)

    def add_unreadable_dead_letter(self, topic: str, place: str, now_ms: int) -> None:
        """Take a dead letter whose headers do not say why."""
        self._dead_letters.add_unreadable(topic, place, now_ms)

    def view(self, now_ms: int) -> BoardView:
        """Return the page's content; between two records it changes only as the minute moves on."""
        return {
            "figures": self._figures(now_ms),
            "minute": {
                "events": self._minute.events_by_second(now_ms),
                "latency_p50_ms": self._minute.median_latency_by_second(now_ms),
            },
            "sessions": [card_view(card, self.names) for card in self._stage.cards],
            "latest": [
                {**event_line(snapshot, self.names, at_ms), "user": snapshot.user_id}
                for at_ms, snapshot in self._latest
            ],
            "answers": [
                {"user": shown.user_id, "at_ms": at_ms, "list": list_line(shown, None, self.names)}
                for at_ms, shown in self._answers
            ],
            "variants": self._variants.view(),
            "dead_letters": self._dead_letters.view(),
            "kafka_away": self.kafka_away,
            "flow": self._flow.view(),
            "lately_made": self._lately_made.view(now_ms),
            "standing": self.standing.view(),
            "index": self.names.index(),
        }

    def _admitted(self, user_id: str, now_ms: int) -> Card | None:
        card = self._stage.admit(user_id, now_ms)
        if card is not None and (early := self._early.pop(user_id, None)) is not None:
            card.add_outcome(early)
        return card

    def _figures(self, now_ms: int) -> FiguresView:
        return {
            "events": self._events,
            "lists": self._lists,
            "events_per_s": self._minute.events_per_s(now_ms),
            "lists_per_s": self._minute.lists_per_s(now_ms),
            "latency_p50_ms": self._minute.latency_ms(now_ms, 0.5),
            "latency_p99_ms": self._minute.latency_ms(now_ms, 0.99),
            "hit_rate": self._hit_rate.view(),
            "lag": self.broker.lags() if self.broker is not None else {},
            "tracks": self.names.tracks,
            "embedded": self.names.embedded,
        }
