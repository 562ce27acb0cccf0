"""The ranking agent: session snapshots and explicit requests in, recommendations out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from musicrec.cloud_events import check_headers, headers_for
from musicrec.contracts import (
    Mode,
    Recommendation,
    RecommendationRequest,
    SessionSnapshot,
    ShadowRecommendation,
    SnapshotHead,
    Timings,
)
from musicrec.contracts.model import DEFAULT_VARIANT
from musicrec.errors import BadInput
from musicrec.ids import UserId, derived_id
from musicrec.recommend import RankedList
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings
from musicrec.topics import RECOMMENDATIONS, SHADOW_RECOMMENDATIONS
from musicrec.trace_context import TraceContext, trace_context
from streams.express_lane import Haste
from streams.list_store import EventList, ListStore
from streams.messages import Decision, Incoming, Outgoing, dead_letter, record_message
from streams.metrics import EventOutcome
from streams.newest_sessions import NewestSessions
from streams.shadow_lists import ShadowLists
from streams.traces import PASSED_ON, BatchTrace, Traces, made_in

LIVE_MS = 30_000
"""Who published an event so long before it was applied may still be there, and has waited for others already."""

LISTS_BEFORE_YIELD = 8
"""After so many lists the event loop runs: followers and heartbeats wait a few milliseconds at most."""


@dataclass(frozen=True, slots=True)
class Rankers:
    """What both handlers of the agent share."""

    variants: Variants
    running: NewestSessions
    lists: ListStore
    settings: RankingAgentSettings
    index_version: Callable[[], str]
    traces: Traces = PASSED_ON
    name: str = "ranking"

    def refuse(self, decision: Decision, trace: BatchTrace, message: Incoming, error: BadInput) -> None:
        """Dead-letter one message."""
        trace.step(message, EventOutcome.DEAD_LETTERED)
        decision.messages.append(dead_letter(message, error, app=self.name))


class _Waiting(NamedTuple):
    message: Incoming
    head: SnapshotHead


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
        self._shadows = ShadowLists()

    def haste_of(self, value: bytes | None, timestamp_ms: int) -> Haste:
        """Let those overtake whose event was no part of a lag when it was applied; stale ones give no list."""
        try:
            head = SnapshotHead.decode(value)
        except BadInput:
            return Haste.NONE
        if self._is_stale(head):
            return Haste.NONE
        return Haste.LIVE if timestamp_ms - head.trigger.published_at_ms < LIVE_MS else Haste.ORDER

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Rank once per listener."""
        decision = Decision(trace=(trace := self._rankers.traces.batch()))
        made: dict[str, Recommendation] = {}
        shadows: dict[str, list[ShadowRecommendation]] = {}
        events: list[EventList] = []
        waiting = self._by_listener(decision, trace, batch)
        for count, (user_id, snapshots) in enumerate(waiting.items(), start=1):
            if self._is_stale(snapshots[-1].head):
                decision.outcomes[EventOutcome.STALE] += len(snapshots)
                for snapshot in snapshots:
                    trace.step(snapshot.message, EventOutcome.STALE)
                continue
            newest = self._newest(decision, trace, snapshots)
            if newest is None:
                continue
            answers_too = tuple(each.head.trigger.event_id for each in snapshots[:-1])
            older = [trace_context(each.message.headers) for each in snapshots[:-1]]
            context = trace.step(snapshots[-1].message, EventOutcome.LISTED, links=older)
            made[user_id] = self._list_for(newest, answers_too, context)
            decision.ranked.append(_ranked(made[user_id]))
            if self._rankers.variants.shadows:
                shadows[user_id] = self._shadows_for(decision, newest, snapshots, context)
            events.append(EventList(user_id, newest.trigger, made[user_id].encode()))
            if count % LISTS_BEFORE_YIELD == 0:
                await asyncio.sleep(0)
        for answered, settled in zip(events, await self._rankers.lists.settle(events), strict=True):
            if isinstance(settled, BadInput):
                # Those that were passed over too: there is no list that answers them.
                for snapshot in waiting[answered.user_id]:
                    self._rankers.refuse(decision, trace, snapshot.message, settled)
                continue
            decision.outcomes[EventOutcome.PASSED_OVER] += len(made[answered.user_id].passed_over)
            if settled is None:
                decision.outcomes[EventOutcome.ANSWERED_BEFORE] += 1
                continue
            decision.messages.append(_message(made[answered.user_id], answered.value, settled))
            decision.messages += [
                record_message(SHADOW_RECOMMENDATIONS, shadow, made_in(shadow))
                for shadow in shadows.get(answered.user_id, ())
            ]
            decision.outcomes[EventOutcome.LISTED] += 1
            decision.answers_published_ms.append(answered.trigger.published_at_ms)
        # A worker may have been killed between storing the list of an event and publishing it; now that the event is
        # passed over nobody else would, and its outcome would name a list that nobody has seen.
        without = [(event.user_id, older.head.trigger) for event in events for older in waiting[event.user_id][:-1]]
        for value in await self._rankers.lists.stored(without):
            decision.messages.append(_message(Recommendation.decode(value), value, value))
        return decision

    def _by_listener(
        self, decision: Decision, trace: BatchTrace, batch: Sequence[Incoming]
    ) -> dict[str, list[_Waiting]]:
        """Return each listener's snapshots in the order of their events; most of a lag needs no more than the heads."""
        waiting: dict[str, list[_Waiting]] = {}
        seen: set[tuple[str, str]] = set()
        for message in batch:
            try:
                head = SnapshotHead.decode(message.value)
            except BadInput as error:
                self._rankers.refuse(decision, trace, message, error)
                continue
            event = (head.user_id, head.trigger.event_id)
            if event not in seen:  # else the same snapshot again, emitted twice around a crash
                seen.add(event)
                waiting.setdefault(head.user_id, []).append(_Waiting(message, head))
        for snapshots in waiting.values():
            # By offset: the revision of a listener begins anew where Redis has lost the state.
            snapshots.sort(key=lambda snapshot: snapshot.head.trigger.offset)
        return waiting

    def _newest(self, decision: Decision, trace: BatchTrace, snapshots: list[_Waiting]) -> SessionSnapshot | None:
        """Return the newest snapshot that can be read; those after it are refused and taken from `snapshots`."""
        while snapshots:
            try:
                return SessionSnapshot.decode(snapshots[-1].message.value)
            except BadInput as error:
                self._rankers.refuse(decision, trace, snapshots.pop().message, error)
        return None

    def _is_stale(self, snapshot: SnapshotHead) -> bool:
        limit_ms = self._rankers.settings.stale_after_ms
        return limit_ms > 0 and time.time() * 1000 - snapshot.trigger.published_at_ms > limit_ms

    def _list_for(
        self, snapshot: SessionSnapshot, passed_over: tuple[str, ...], context: TraceContext | None
    ) -> Recommendation:
        started_s = time.perf_counter()
        ranked = self._rankers.variants.rank(snapshot, limit=self._rankers.settings.list_length)
        now_ms = time.time_ns() // 1_000_000
        return Recommendation(
            list_id=derived_id("l", snapshot.user_id, snapshot.trigger.event_id),
            passed_over=passed_over,
            timings=_timings(started_s, now_ms - snapshot.trigger.published_at_ms),
            generated_at_ms=now_ms,
            traceparent=context.traceparent if context else None,
            **_question(snapshot),
            **_answer_of(self._rankers, ranked),
        )

    def _shadows_for(
        self,
        decision: Decision,
        newest: SessionSnapshot,
        snapshots: Sequence[_Waiting],
        context: TraceContext | None,
    ) -> list[ShadowRecommendation]:
        """Return the lists that nobody is shown, after the former ones were held against what was played."""
        for snapshot in snapshots:
            decision.followed_up += self._shadows.followed_up(snapshot.head)
        made: list[ShadowRecommendation] = []
        for name in self._rankers.variants.shadows:
            started_s = time.perf_counter()
            ranked = self._rankers.variants.shadow(name, newest, limit=self._rankers.settings.list_length)
            if ranked is not None:
                shadow = ShadowRecommendation(
                    list_id=derived_id("l", newest.user_id, "shadow", name, newest.trigger.event_id),
                    timings=_timings(started_s, None),
                    generated_at_ms=time.time_ns() // 1_000_000,
                    traceparent=context.traceparent if context else None,
                    **_question(newest),
                    **_answer_of(self._rankers, ranked),
                )
                made.append(shadow)
                decision.ranked.append(_ranked(shadow))
        self._shadows.remember(
            snapshots[-1].head, {str(each.variant): [item.track_id for item in each.items] for each in made}
        )
        return made


class RequestRanking:
    """Handler of `musicrec.requests.v1`: one list per request, with its `request_id`."""

    name = "ranking"
    max_batch = 64

    def __init__(self, rankers: Rankers) -> None:
        self._rankers = rankers

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Answer each request with what is known of the listener now."""
        decision = Decision(trace=(trace := self._rankers.traces.batch()))
        asked: list[tuple[Incoming, RecommendationRequest]] = []
        requests: list[Incoming] = []
        made: list[Recommendation] = []
        for message in batch:
            try:
                check_headers(message.headers, RecommendationRequest)
                request = RecommendationRequest.decode(message.value)
            except BadInput as error:
                self._rankers.refuse(decision, trace, message, error)
                continue
            asked.append((message, request))
        newest = await self._rankers.running.newest(list({UserId(request.user_id): None for _, request in asked}))
        for message, request in asked:
            snapshot = newest[UserId(request.user_id)]
            if isinstance(snapshot, BadInput):
                self._rankers.refuse(decision, trace, message, snapshot)
                continue
            requests.append(message)
            made.append(self._answer(request, snapshot, trace.step(message, EventOutcome.ANSWERED)))
            await asyncio.sleep(0)
        values = [answer.encode() for answer in made]
        settled = await self._rankers.lists.settle_answers([(a.list_id, v) for a, v in zip(made, values, strict=True)])
        for message, answer, value, first in zip(requests, made, values, settled, strict=True):
            if isinstance(first, BadInput):
                self._rankers.refuse(decision, trace, message, first)
                continue
            decision.messages.append(_message(answer, value, first))
            decision.outcomes[EventOutcome.ANSWERED] += 1
        return decision

    def _answer(
        self, request: RecommendationRequest, snapshot: SessionSnapshot | None, context: TraceContext | None
    ) -> Recommendation:
        started_s = time.perf_counter()
        now_ms = time.time_ns() // 1_000_000
        ranked = self._rankers.variants.answer(request, snapshot, now_ms)
        return Recommendation(
            list_id=derived_id("l", request.user_id, "request", request.request_id),
            user_id=request.user_id,
            mode=request.mode,
            session_id=snapshot.session_id if snapshot is not None and request.mode is Mode.SESSION else None,
            request_id=request.request_id,
            timings=_timings(started_s, None),
            generated_at_ms=now_ms,
            traceparent=context.traceparent if context else None,
            **_answer_of(self._rankers, ranked),
        )


def _timings(started_s: float, event_to_list_ms: int | None) -> Timings:
    ranking_ms = round((time.perf_counter() - started_s) * 1000, 3)
    return Timings(
        event_to_list_ms=None if event_to_list_ms is None else float(event_to_list_ms), ranking_ms=ranking_ms
    )


def _question(snapshot: SessionSnapshot) -> dict[str, Any]:
    """Return the fields of a list that name what it answers."""
    return {
        "user_id": snapshot.user_id,
        "mode": Mode.SESSION,
        "session_id": snapshot.session_id,
        "session_revision": snapshot.revision,
        "trigger": snapshot.trigger,
    }


def _ranked(made: Recommendation) -> tuple[str, float]:
    return made.variant or DEFAULT_VARIANT, made.timings.ranking_ms / 1000


def _answer_of(rankers: Rankers, ranked: RankedList) -> dict[str, Any]:
    """Return the fields of a list that the recommender gives."""
    return {
        "items": ranked.items,
        "degraded": ranked.degraded,
        "making": ranked.making,
        "model_version": ranked.model_version,
        "variant": ranked.variant,
        "index_version": rankers.index_version(),
    }


def _message(made: Recommendation, value: bytes, settled: bytes) -> Outgoing:
    """Return the message of a settled list; `made` is what was settled unless another was stored before."""
    settled_list = made if settled == value else Recommendation.decode(settled)
    # Of the span that made what was stored first, as the list itself has it.
    context = made_in(settled_list)
    headers = headers_for(settled_list) + (context.headers() if context else [])
    return Outgoing(RECOMMENDATIONS.name, settled_list.user_id.encode(), settled, headers)
