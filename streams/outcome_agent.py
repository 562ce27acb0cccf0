"""The outcome agent: which list came before a listen, and where in it the track stood."""

from collections.abc import Sequence

from musicrec.cloud_events import headers_for
from musicrec.contracts import Outcome, Recommendation, SnapshotHead
from musicrec.contracts.model import DEFAULT_VARIANT
from musicrec.errors import BadInput
from musicrec.topics import OUTCOMES
from streams.list_store import ListStore
from streams.messages import Decision, FollowedUp, Incoming, dead_letter, record_message
from streams.metrics import EventOutcome


class Outcomes:
    """Handler of `musicrec.sessions.v1`: join each listen with the newest list that was made before it.

    Lists are in Redis before they are on their topic, so the join needs no second topic, which could lag or run ahead.
    """

    name = "outcome"
    max_batch = 500

    def __init__(self, store: ListStore) -> None:
        self._store = store

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Join; the same listen gives the same outcome again as long as its list is kept."""
        decision = Decision()
        listens: list[SnapshotHead] = []
        for message in batch:
            try:
                snapshot = _decode(message)
            except BadInput as error:
                decision.messages.append(dead_letter(message, error, app=self.name))
                continue
            if snapshot.trigger.type.is_listen:
                listens.append(snapshot)
        lists = await self._store.before([(listen.user_id, listen.trigger) for listen in listens])
        for listen, shown in zip(listens, lists, strict=True):
            outcome = outcome_of(listen, shown)
            decision.messages.append(record_message(OUTCOMES, outcome, headers_for(outcome)))
            hit = EventOutcome.HIT if outcome.rank is not None else EventOutcome.MISS
            if shown is not None:
                skipped = outcome.outcome.is_skip
                decision.followed_up.append(FollowedUp(outcome.variant or DEFAULT_VARIANT, outcome.rank, skipped))
            decision.outcomes[hit if shown else EventOutcome.WITHOUT_LIST] += 1
        return decision


def _decode(message: Incoming) -> SnapshotHead:
    snapshot = SnapshotHead.decode(message.value)
    trigger = snapshot.trigger
    if trigger.type.is_listen and (trigger.track_id is None or trigger.outcome is None):
        raise BadInput(f"trigger: a {trigger.type.value} needs track_id and outcome")
    return snapshot


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
