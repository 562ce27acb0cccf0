"""A storm's topics without a storm: the traffic goes through the real session logic, one message after the other."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord
from storm.checks.events import Events
from storm.findings import Findings, Invariant
from storm.schedule import Fault
from storm.traffic import Sent, Traffic

from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.session import Applied, ListenerState, Position, apply
from musicrec.settings import SessionSettings
from streams.messages import Incoming, Outgoing, dead_letter

NOW_MS = 1_790_000_000_000
LISTENS, SESSIONS, DEAD = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.listens.v1.dlq"


def record(topic: str, offset: int, message: Outgoing | Sent, at_ms: int = NOW_MS) -> ConsumerRecord:
    """Return a message as a consumer sees it; all lie in partition 0."""
    return ConsumerRecord(topic, 0, offset, at_ms, 1, message.key, message.value, None, 0, 0, tuple(message.headers))


@dataclass
class World:
    """What lies on the topics."""

    sent: dict[int, Sent] = field(default_factory=dict)
    listens: list[ConsumerRecord] = field(default_factory=list)
    sessions: list[ConsumerRecord] = field(default_factory=list)
    letters: list[ConsumerRecord] = field(default_factory=list)
    states: dict[str, ListenerState] = field(default_factory=lambda: defaultdict(ListenerState))

    @classmethod
    def of(cls, seed: int, ticks: int, bursts: Collection[Fault] = ()) -> "World":
        """Return the world after some traffic."""
        world = cls()
        traffic = Traffic(seed, NOW_MS, rate_per_s=100, listeners=10)
        for number in range(ticks):
            for message in traffic.tick(bursts, number * 100):
                world.take(message)
        return world

    def take(self, message: Sent) -> None:
        """Publish a message, and let the session agent's logic have it."""
        self.sent[message.number] = message
        self.listens.append(record(LISTENS, len(self.listens), message))
        came = Incoming(LISTENS, 0, len(self.listens) - 1, NOW_MS, message.key, message.value, message.headers)
        try:
            self._apply(came, message)
        except BadInput as error:
            self.letters.append(record(DEAD, len(self.letters), dead_letter(came, error, app="session")))

    def _apply(self, came: Incoming, message: Sent) -> None:
        if message.fields is None:
            raise BadInput(message.reason, DeadLetterReason(message.reason))
        event = ListenEvent.decode(message.value)
        position = Position("here", 0, came.offset, NOW_MS)
        result = apply(self.states[event.user_id], event, position, SessionSettings())
        if isinstance(result, Applied):
            self.states[event.user_id] = result.state
            emitted = Outgoing(SESSIONS, event.user_id.encode(), result.snapshot.encode(), [])
            self.sessions.append(record(SESSIONS, len(self.sessions), emitted))

    def found(self) -> dict[Invariant, list[str]]:
        """Return the violations that the check of events finds."""
        findings = Findings()
        events = Events(self.sent, findings)
        _all(events.take_listen, self.listens)
        _all(events.take_letter, self.letters)
        _all(events.take_session, self.sessions)
        events.finish()
        by_invariant: dict[Invariant, list[str]] = defaultdict(list)
        for violation in findings.violations:
            by_invariant[violation.invariant].append(violation.what)
        return dict(by_invariant)


def _all(take: Any, records: Iterable[ConsumerRecord]) -> None:
    for one in records:
        take(one)
