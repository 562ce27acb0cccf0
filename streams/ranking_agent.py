"""The ranking agent: session snapshots and explicit requests in, recommendations out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from musicrec.cloud_events import check_headers, headers_for
from musicrec.contracts import Mode, Recommendation, RecommendationRequest, SessionSnapshot, Timings, Trigger
from musicrec.errors import BadInput
from musicrec.ids import derived_id
from musicrec.recommend import RankedList, Recommender
from musicrec.settings import RankingAgentSettings
from musicrec.topics import RECOMMENDATIONS
from streams.list_store import EventList, ListStore
from streams.messages import Decision, Incoming, Outgoing, dead_letter
from streams.metrics import EventOutcome
from streams.running_sessions import RunningSessions

LISTS_BEFORE_YIELD = 8
"""After so many lists the event loop runs: followers and heartbeats wait a few milliseconds at most."""


@dataclass(frozen=True, slots=True)
class Rankers:
    """What both handlers of the agent share."""

    recommender: Recommender
    running: RunningSessions
    lists: ListStore
    settings: RankingAgentSettings
    model_version: str
    index_version: Callable[[], str]
    name: str = "ranking"

    def refuse(self, decision: Decision, message: Incoming, error: BadInput) -> None:
        """Dead-letter one message."""
        decision.messages.append(dead_letter(message, error, app=self.name))


class SessionRanking:
    """Handler of `musicrec.sessions.v1`: a list for the newest snapshot of each listener in the batch.

    When the agent lags, older snapshots of a listener wait in the same batch: they are passed over, and the list names
    the events that it answers with them.  What has waited too long gets no list: the followers have learned from it.

    What is published is what was stored first for the event.  So a batch that is decided again, here or by another
    worker, publishes the same bytes under the same ids, whatever was learned in between.
    """

    name = "ranking"
    max_batch = 64

    def __init__(self, rankers: Rankers) -> None:
        self._rankers = rankers

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Rank once per listener."""
        decision = Decision()
        newest: dict[str, SessionSnapshot] = {}
        messages: dict[str, list[Incoming]] = {}
        passed_over: dict[str, list[Trigger]] = {}
        seen: set[tuple[str, str]] = set()
        for message in batch:
            try:
                snapshot = SessionSnapshot.decode(message.value)
            except BadInput as error:
                self._rankers.refuse(decision, message, error)
                continue
            event = (snapshot.user_id, snapshot.trigger.event_id)
            if event in seen:
                continue  # the same snapshot again, emitted twice around a crash
            seen.add(event)
            messages.setdefault(snapshot.user_id, []).append(message)
            waiting = newest.setdefault(snapshot.user_id, snapshot)
            if waiting is snapshot:
                continue
            # By offset: the revision of a listener begins anew where Redis has lost the state.
            older, newer = sorted((waiting, snapshot), key=lambda s: s.trigger.offset)
            passed_over.setdefault(snapshot.user_id, []).append(older.trigger)
            newest[snapshot.user_id] = newer
        made: dict[str, Recommendation] = {}
        events: list[EventList] = []
        for count, (user_id, snapshot) in enumerate(newest.items(), start=1):
            answers_too = tuple(trigger.event_id for trigger in passed_over.get(user_id, ()))
            if self._is_stale(snapshot):
                decision.outcomes[EventOutcome.STALE] += 1 + len(answers_too)
                continue
            made[user_id] = self._list_for(snapshot, answers_too)
            events.append(EventList(user_id, snapshot.trigger, made[user_id].encode()))
            if count % LISTS_BEFORE_YIELD == 0:
                await asyncio.sleep(0)
        for answered, settled in zip(events, await self._rankers.lists.settle(events), strict=True):
            if isinstance(settled, BadInput):
                # Those that were passed over too: there is no list that answers them.
                for message in messages[answered.user_id]:
                    self._rankers.refuse(decision, message, settled)
                continue
            decision.outcomes[EventOutcome.PASSED_OVER] += len(made[answered.user_id].passed_over)
            if settled is None:
                decision.outcomes[EventOutcome.ANSWERED_BEFORE] += 1
                continue
            decision.messages.append(_message(made[answered.user_id], answered.value, settled))
            decision.outcomes[EventOutcome.LISTED] += 1
            decision.answers_published_ms.append(answered.trigger.published_at_ms)
        # A worker may have been killed between storing the list of an event and publishing it; now that the event is
        # passed over nobody else would, and its outcome would name a list that nobody has seen.
        without = [(event.user_id, trigger) for event in events for trigger in passed_over.get(event.user_id, ())]
        for value in await self._rankers.lists.stored(without):
            decision.messages.append(_message(Recommendation.decode(value), value, value))
        return decision

    def _is_stale(self, snapshot: SessionSnapshot) -> bool:
        limit_ms = self._rankers.settings.stale_after_ms
        return limit_ms > 0 and time.time() * 1000 - snapshot.trigger.published_at_ms > limit_ms

    def _list_for(self, snapshot: SessionSnapshot, passed_over: tuple[str, ...]) -> Recommendation:
        started_s = time.perf_counter()
        ranked = self._rankers.recommender.rank(snapshot, limit=self._rankers.settings.list_length)
        now_ms = time.time_ns() // 1_000_000
        return _recommendation(
            self._rankers,
            ranked,
            list_id=derived_id("l", snapshot.user_id, snapshot.trigger.event_id),
            user_id=snapshot.user_id,
            mode=Mode.SESSION,
            session_id=snapshot.session_id,
            session_revision=snapshot.revision,
            trigger=snapshot.trigger,
            passed_over=passed_over,
            timings=_timings(started_s, now_ms - snapshot.trigger.published_at_ms),
            generated_at_ms=now_ms,
        )


class RequestRanking:
    """Handler of `musicrec.requests.v1`: one list per request, with its `request_id`."""

    name = "ranking"
    max_batch = 64

    def __init__(self, rankers: Rankers) -> None:
        self._rankers = rankers

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Answer each request with what is known of the listener now."""
        decision = Decision()
        requests: list[Incoming] = []
        made: list[Recommendation] = []
        for message in batch:
            try:
                check_headers(message.headers, RecommendationRequest)
                request = RecommendationRequest.decode(message.value)
            except BadInput as error:
                self._rankers.refuse(decision, message, error)
                continue
            requests.append(message)
            made.append(self._answer(request))
            await asyncio.sleep(0)
        values = [answer.encode() for answer in made]
        settled = await self._rankers.lists.settle_answers([(a.list_id, v) for a, v in zip(made, values, strict=True)])
        for message, answer, value, first in zip(requests, made, values, settled, strict=True):
            if isinstance(first, BadInput):
                self._rankers.refuse(decision, message, first)
                continue
            decision.messages.append(_message(answer, value, first))
            decision.outcomes[EventOutcome.ANSWERED] += 1
        return decision

    def _answer(self, request: RecommendationRequest) -> Recommendation:
        started_s = time.perf_counter()
        now_ms = time.time_ns() // 1_000_000
        snapshot = self._rankers.running.get(request.user_id)
        ranked = self._rankers.recommender.answer(request, snapshot, now_ms)
        return _recommendation(
            self._rankers,
            ranked,
            list_id=derived_id("l", request.user_id, "request", request.request_id),
            user_id=request.user_id,
            mode=request.mode,
            session_id=snapshot.session_id if snapshot is not None and request.mode is Mode.SESSION else None,
            request_id=request.request_id,
            timings=_timings(started_s, None),
            generated_at_ms=now_ms,
        )


def _timings(started_s: float, event_to_list_ms: int | None) -> Timings:
    ranking_ms = round((time.perf_counter() - started_s) * 1000, 3)
    return Timings(
        event_to_list_ms=None if event_to_list_ms is None else float(event_to_list_ms), ranking_ms=ranking_ms
    )


def _recommendation(rankers: Rankers, ranked: RankedList, **fields: object) -> Recommendation:
    return Recommendation(
        items=ranked.items,
        degraded=ranked.degraded,
        model_version=rankers.model_version,
        index_version=rankers.index_version(),
        **fields,  # type: ignore[arg-type]
    )


def _message(made: Recommendation, value: bytes, settled: bytes) -> Outgoing:
    """Return the message of a settled list; `made` is what was settled unless another was stored before."""
    settled_list = made if settled == value else Recommendation.decode(settled)
    return Outgoing(RECOMMENDATIONS.name, settled_list.user_id.encode(), settled, headers_for(settled_list))
