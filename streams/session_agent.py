"""The session agent: listen events in, session snapshots out."""

from collections.abc import Sequence

from musicrec.cloud_events import check_headers
from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.ids import UserId
from musicrec.session import Applied, ListenerState, Position, apply
from musicrec.settings import SessionSettings
from musicrec.topics import SESSIONS
from streams.express_lane import Haste
from streams.messages import Decision, Incoming, dead_letter, record_message
from streams.metrics import EventOutcome
from streams.session_store import SessionStore
from streams.traces import PASSED_ON, BatchTrace, Traces


class SessionAgent:
    """Handler of `musicrec.listens.v1`.

    The snapshots of a batch are emitted before its states are saved.  A crash in between emits the same snapshots
    again, with the same revisions, from the same states; a crash after the save finds the offsets applied and emits
    nothing.
    """

    name = "session"
    max_batch = 500

    def __init__(self, store: SessionStore, rules: SessionSettings, origin: str, traces: Traces = PASSED_ON) -> None:
        self._store = store
        self._rules = rules
        self._origin = origin
        self._traces = traces

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Apply a batch in order; several events of one listener build on each other."""
        decision = Decision(trace=(trace := self._traces.batch()))
        events: list[tuple[Incoming, ListenEvent]] = []
        for message in batch:
            try:
                events.append((message, _decode(message)))
            except BadInput as error:
                self._refuse(decision, trace, message, error)
        users = list(dict.fromkeys(UserId(event.user_id) for _, event in events))
        stored = await self._store.load(users)
        current = dict(stored)
        for message, event in events:
            user = UserId(event.user_id)
            state = current[user]
            if isinstance(state, BadInput):
                self._refuse(decision, trace, message, state)
                continue
            position = Position(self._origin, message.partition, message.offset, message.timestamp_ms)
            try:
                result = apply(state, event, position, self._rules)
            except BadInput as error:
                self._refuse(decision, trace, message, error)
                continue
            if isinstance(result, Applied):
                current[user] = result.state
                context = trace.step(message, EventOutcome.APPLIED)
                decision.messages.append(record_message(SESSIONS, result.snapshot, context))
                decision.outcomes[EventOutcome.APPLIED] += 1
            else:
                trace.step(message, EventOutcome.DUPLICATE)
                decision.outcomes[EventOutcome.DUPLICATE] += 1
        decision.save = lambda: self._store.save(_changed(stored, current))
        return decision

    def haste_of(self, value: bytes | None, timestamp_ms: int) -> Haste:
        """Let each event overtake those of other listeners: an event needs its own listener's older ones alone."""
        return Haste.LIVE

    def _refuse(self, decision: Decision, trace: BatchTrace, message: Incoming, error: BadInput) -> None:
        trace.step(message, EventOutcome.DEAD_LETTERED)
        decision.messages.append(dead_letter(message, error, app=self.name))


def _decode(message: Incoming) -> ListenEvent:
    check_headers(message.headers, ListenEvent)
    event = ListenEvent.decode(message.value)
    if message.key != event.user_id.encode():
        raise BadInput(
            "key: it must be the user_id of the body, so that one listener's events stay in order on one partition",
            DeadLetterReason.KEY_MISMATCH,
        )
    return event


def _changed(
    stored: dict[UserId, ListenerState | BadInput], current: dict[UserId, ListenerState | BadInput]
) -> dict[UserId, tuple[ListenerState, ListenerState]]:
    states = ((user, old, current[user]) for user, old in stored.items())
    return {
        user: (old, new)
        for user, old, new in states
        if new is not old and isinstance(old, ListenerState) and isinstance(new, ListenerState)
    }
