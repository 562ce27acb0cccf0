"""The outcome agent: which list came before a listen, and where in it the track stood."""

from collections.abc import Sequence

from musicrec.cloud_events import headers_for
from musicrec.contracts import Outcome, Recommendation, SessionSnapshot
from musicrec.errors import BadInput
from musicrec.topics import OUTCOMES
from streams.counters import Counters
from streams.list_store import ListStore, ShownList
from streams.messages import Decision, Incoming, dead_letter, record_message


class ShownLists:
    """Handler of `musicrec.recommendations.v1`: remember what was shown."""

    name = "outcome"
    max_batch = 500

    def __init__(self, store: ListStore, counters: Counters) -> None:
        self._store = store
        self._counters = counters

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Collect the lists that answer events; they are stored as the batch's state."""
        decision = Decision()
        lists: list[Recommendation] = []
        for message in batch:
            try:
                shown = Recommendation.decode(message.value)
            except BadInput as error:
                decision.messages.append(dead_letter(message, error, app=self.name))
                self._counters.add(f"dead_lettered_{error.reason}")
                continue
            if shown.session_revision is not None:
                lists.append(shown)
        self._counters.add("lists", len(lists))
        decision.save = lambda: self._store.keep(lists)
        return decision


class Outcomes:
    """Handler of `musicrec.sessions.v1`: join each listen with the newest list that was made before it."""

    name = "outcome"
    max_batch = 500

    def __init__(self, store: ListStore, counters: Counters) -> None:
        self._store = store
        self._counters = counters

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Join; the same listen gives the same outcome again as long as its list is kept."""
        decision = Decision()
        listens: list[SessionSnapshot] = []
        for message in batch:
            try:
                snapshot = SessionSnapshot.decode(message.value)
            except BadInput as error:
                decision.messages.append(dead_letter(message, error, app=self.name))
                self._counters.add(f"dead_lettered_{error.reason}")
                continue
            if snapshot.trigger.type.is_listen:
                listens.append(snapshot)
        lists = await self._store.before([(listen.user_id, listen.revision) for listen in listens])
        for listen, shown in zip(listens, lists, strict=True):
            outcome = outcome_of(listen, shown)
            decision.messages.append(record_message(OUTCOMES, outcome, headers_for(outcome)))
            self._counters.add("hits" if outcome.rank is not None else "misses" if shown else "without_list")
        return decision


def outcome_of(listen: SessionSnapshot, shown: ShownList | None) -> Outcome:
    """Return the outcome of the listen that triggered a snapshot, given the list before it."""
    trigger = listen.trigger
    if trigger.track_id is None or trigger.outcome is None:
        raise ValueError(f"{trigger.event_id} is no listen")
    rank = shown.rank_of(trigger.track_id) if shown is not None else None
    return Outcome(
        user_id=listen.user_id,
        event_id=trigger.event_id,
        track_id=trigger.track_id,
        outcome=trigger.outcome,
        played_at_ms=trigger.occurred_at_ms,
        session_id=listen.session_id,
        list_id=shown.list_id if shown is not None else None,
        rank=rank,
        list_length=len(shown.items) if shown is not None else 0,
        sources=shown.sources_of(rank) if shown is not None and rank is not None else (),
    )
