"""The outcome agent: which list came before a listen, and where in it the track stood.

Lists and listens come on two topics, and after a pause of the worker the one can be read far ahead of the other.  So a
listen whose list is not there yet waits until every list that is on the topic by then has been kept.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from musicrec.cloud_events import headers_for
from musicrec.contracts import Outcome, Recommendation, SessionSnapshot
from musicrec.errors import BadInput
from musicrec.topics import OUTCOMES
from streams.counters import Counters
from streams.list_store import ListStore, ShownList
from streams.messages import Decision, Incoming, dead_letter, record_message
from streams.metrics import EventOutcome

log = logging.getLogger(__name__)

PATIENCE_S: Final = 2.0
"""Longest wait for lists that do not come nearer: a listen is then joined with what is there, and the batch counted as
`joined_early`.  Outcomes are figures; they must not stand still for the sake of one list."""
PAUSE_S: Final = 0.02

ListEnds = Callable[[Collection[int]], Awaitable[dict[int, int]]]
"""Gives, for partitions of the lists' topic, the offset of the next list."""


class ShownLists:
    """Handler of `musicrec.recommendations.v1`: remember what was shown."""

    name = "outcome"
    max_batch = 500

    def __init__(self, store: ListStore) -> None:
        self._store = store

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Collect the lists that answer events; they are stored as the batch's state."""
        decision = Decision()
        lists: list[Recommendation] = []
        for message in batch:
            try:
                shown = Recommendation.decode(message.value)
            except BadInput as error:
                decision.messages.append(dead_letter(message, error, app=self.name))
                continue
            if shown.session_revision is not None:
                lists.append(shown)
        decision.outcomes[EventOutcome.KEPT] += len(lists)
        progress = {message.partition: message.offset + 1 for message in batch}
        decision.save = lambda: self._store.keep(lists, progress)
        return decision


class Outcomes:
    """Handler of `musicrec.sessions.v1`: join each listen with the newest list that was made before it."""

    name = "outcome"
    max_batch = 500

    def __init__(self, store: ListStore, list_ends: ListEnds, counters: Counters) -> None:
        self._store = store
        self._list_ends = list_ends
        self._counters = counters
        self._given_up: dict[int, int] = {}

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Join; the same listen gives the same outcome again as long as its list is kept."""
        decision = Decision()
        listens: list[tuple[int, SessionSnapshot]] = []
        for message in batch:
            try:
                snapshot = _decode(message)
            except BadInput as error:
                decision.messages.append(dead_letter(message, error, app=self.name))
                continue
            if snapshot.trigger.type.is_listen:
                listens.append((message.partition, snapshot))
        lists = await self._lists_before(listens)
        for (_, listen), shown in zip(listens, lists, strict=True):
            outcome = outcome_of(listen, shown)
            decision.messages.append(record_message(OUTCOMES, outcome, headers_for(outcome)))
            hit = EventOutcome.HIT if outcome.rank is not None else EventOutcome.MISS
            decision.outcomes[hit if shown else EventOutcome.WITHOUT_LIST] += 1
        return decision

    async def _lists_before(self, listens: Sequence[tuple[int, SessionSnapshot]]) -> list[ShownList | None]:
        wanted = [(listen.user_id, listen.revision) for _, listen in listens]
        lists = await self._store.before(wanted)
        late = {
            partition
            for (partition, listen), shown in zip(listens, lists, strict=True)
            if listen.revision > 1 and (shown is None or shown.revision < listen.revision - 1)
        }
        # A list for each revision is the rule; where one is missing it was passed over, or has not been read yet.
        if late:
            await self._until_kept(late)
            lists = await self._store.before(wanted)
        return lists

    async def _until_kept(self, partitions: Collection[int]) -> None:
        """Wait until all lists that are on these partitions now are kept."""
        ends = await self._list_ends(partitions)
        before: dict[int, int] = {}
        moved_s = time.monotonic()
        while True:
            kept = await self._store.kept_until(list(ends))
            missing = {p: at for p, at in kept.items() if at < ends[p] and self._given_up.get(p) != at}
            if not missing:
                return
            if missing != before:
                before, moved_s = missing, time.monotonic()
            if time.monotonic() - moved_s > PATIENCE_S:
                places = ", ".join(f"{p}: {at} of {ends[p]}" for p, at in sorted(missing.items()))
                log.warning("lists not kept for %g s, by partition: %s; joined without them", PATIENCE_S, places)
                # Nobody keeps these lists, or Redis has lost how far they were kept: no further wait before they move.
                self._given_up |= missing
                self._counters.joined_early.inc()
                return
            await asyncio.sleep(PAUSE_S)


def _decode(message: Incoming) -> SessionSnapshot:
    snapshot = SessionSnapshot.decode(message.value)
    trigger = snapshot.trigger
    if trigger.type.is_listen and (trigger.track_id is None or trigger.outcome is None):
        raise BadInput(f"trigger: a {trigger.type.value} needs track_id and outcome")
    return snapshot


def outcome_of(listen: SessionSnapshot, shown: ShownList | None) -> Outcome:
    """Return the outcome of the listen that triggered a snapshot, given the list before it."""
    trigger = listen.trigger
    if trigger.track_id is None or trigger.outcome is None:
        raise ValueError(f"{trigger.event_id} is no listen")  # refused by _decode; feedback never comes here
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
