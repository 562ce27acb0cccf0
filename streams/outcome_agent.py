"""The outcome agent: which list came before a listen, and where in it the track stood."""

from collections.abc import Sequence

from musicrec.contracts import Outcome, Recommendation, SnapshotHead
from musicrec.contracts.model import DEFAULT_VARIANT
from musicrec.errors import BadInput
from musicrec.topics import OUTCOMES
from musicrec.trace_context import trace_context
from streams.gathering import UNHURRIED
from streams.list_store import ListStore
from streams.messages import Decision, FollowedUp, Incoming, dead_letter, record_message
from streams.metrics import EventOutcome
from streams.traces import PASSED_ON, Traces, made_in


class Outcomes:
    """Handler of `musicrec.sessions.v1`: join each listen with the newest list that was made before it.

    Lists are in Redis before they are on their topic, so the join needs no second topic, which could lag or run ahead.
    """

    name = "outcome"
    max_batch = 500
    gathering = UNHURRIED

    def __init__(self, store: ListStore, traces: Traces = PASSED_ON) -> None:
        self._store = store
        self._traces = traces

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Join; the same listen gives the same outcome again as long as its list is kept."""
        decision = Decision(trace=(trace := self._traces.batch()))
        listens: list[tuple[Incoming, SnapshotHead]] = []
        for message in batch:
            try:
                snapshot = _decode(message)
            except BadInput as error:
                trace.step(message, EventOutcome.DEAD_LETTERED)
                decision.messages.append(dead_letter(message, error, app=self.name))
                continue
            if snapshot.trigger.type.is_listen:
                listens.append((message, snapshot))
        lists = await self._store.before([(listen.user_id, listen.trigger) for _, listen in listens])
        for (message, listen), shown in zip(listens, lists, strict=True):
            outcome = outcome_of(listen, shown)
            became = _became(outcome)
            # A list's trace ends with what was played after it; the play that tells is linked, and has its own.
            caused = trace_context(message.headers)
            context = trace.step(
                message, became, parent=(made_in(shown) if shown is not None else None) or caused, links=[caused]
            )
            decision.messages.append(record_message(OUTCOMES, outcome, context))
            if shown is not None:
                skipped = outcome.outcome.is_skip
                decision.followed_up.append(FollowedUp(outcome.variant or DEFAULT_VARIANT, outcome.rank, skipped))
            decision.outcomes[became] += 1
        return decision


def _decode(message: Incoming) -> SnapshotHead:
    snapshot = SnapshotHead.decode(message.value)
    trigger = snapshot.trigger
    if trigger.type.is_listen and (trigger.track_id is None or trigger.outcome is None):
        raise BadInput(f"trigger: a {trigger.type.value} needs track_id and outcome")
    return snapshot


def _became(outcome: Outcome) -> EventOutcome:
    if outcome.list_id is None:
        return EventOutcome.WITHOUT_LIST
    return EventOutcome.MISS if outcome.rank is None else EventOutcome.HIT


def outcome_of(listen: SnapshotHead, shown: Recommendation | None) -> Outcome:
    """Return the outcome of the listen that triggered a snapshot, given the list before it."""
    trigger = listen.trigger
    if trigger.track_id is None or trigger.outcome is None:
        raise ValueError(f"{trigger.event_id} is no listen")  # refused by _decode; feedback never comes here
    items = shown.items if shown is not None else ()
    rank = next((rank for rank, item in enumerate(items, start=1) if item.track_id == trigger.track_id), None)
    return Outcome(
        user_id=listen.user_id,
        event_id=trigger.event_id,
        track_id=trigger.track_id,
        outcome=trigger.outcome,
        played_at_ms=trigger.occurred_at_ms,
        session_id=listen.session_id,
        list_id=shown.list_id if shown is not None else None,
        variant=shown.variant if shown is not None else None,
        rank=rank,
        list_length=len(items),
        sources=items[rank - 1].sources if rank is not None else (),
    )
