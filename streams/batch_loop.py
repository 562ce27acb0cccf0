"""The one loop of every agent: Kafka in, handler, deliveries awaited, state saved, acknowledged last.

Steps of one batch, and what a crash after each leaves behind
    1. take     whatever waits now, up to `max_batch`, without a timer, and little of one listener (`FairQueue`);
                before it, while a partition lags, what somebody waits for (`ExpressLane`).
                Nothing happened; the batch comes again.
    2. decide   the handler decodes, loads state and decides.  What would come out otherwise the second time (a list,
                of a model that learns) it stores first, and the first one stored counts.  Nothing was seen by anyone;
                the batch comes again and is decided the same.
    3. emit     every message is sent, every delivery awaited.           The same messages come again, same bytes.
    4. save     state with the applied offset, atomically per listener.  The batch comes again and changes nothing.
    5. ack      offsets may be committed from here on.                   After the commit the batch is done with.

    A step that fails because something is away is retried from step 2, until a deadline ends the process.  The setting
    `crash_after` kills it after a step; tests/fault/test_crash_after_each_step.py does so to every agent.

Why not Faust's own ways
    A timer (`take(n, within)`) runs from the previous batch and triples the latency; awaiting one delivery after the
    other costs three quarters of the throughput.  So the stream only queues, and one task beside it works.
    Batches that overlap, two to four in flight, were measured too, and two of which one is decided while the other one
    is delivered: no better median, a tenth less throughput, because each then finds less waiting and the rounds to
    Redis and the broker get more and smaller.
    An exception that reaches Faust's iterator acknowledges the event it was raised on, and Faust commits at once: the
    event is lost.  So none reaches it: what passes is retried, what is the message's fault is dead-lettered, and
    everything else ends the process hard, with nothing acknowledged.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol, runtime_checkable

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from faust.types import TP

from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable
from musicrec.registry.wire_format import NO_MARKS, Marks
from musicrec.settings import AgentSettings
from musicrec.trace_context import trace_context
from streams.counters import Counters
from streams.crash_point import CrashPoint, Step
from streams.express_lane import ExpressLane, Haste
from streams.fair_queue import FairQueue
from streams.messages import Batch, Decision, Incoming, Outgoing, dead_letter, incoming
from streams.vitals import Work

log = logging.getLogger(__name__)

EXIT_STATUS = 70
"""EX_SOFTWARE: the process ended itself with messages unacknowledged; start it again."""

FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 5.0

_HINTS = {MessageSizeTooLargeError: "; raise max.message.bytes of the topic to what deploy/contracts/topics.md has"}

MEBIBYTE = 1024 * 1024

LET_IN_S, LET_IN_TURNS = 0.05, 10
"""For so long, or until nothing has come for so many turns of the event loop, messages are let in before a batch."""

LOOK_EVERY_S = 0.5
"""How often a batch that has to wait is looked at."""

BATCH_BESIDE_LANE = 100
"""While a partition lags, what overtakes waits for a batch of what does not."""

MAX_HANDLER_ERRORS = 10
"""So many messages in a row that the handler fails on mean a broken release, not broken messages."""


class Handler(Protocol):
    """What an agent does with a batch."""

    name: str
    """Agent's name, in dead letters and logs."""
    max_batch: int
    """Most messages that it takes together; results come out once all of a batch are done."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Decode, load and decide; publish nothing, and decide the same when the batch comes again.

        Raises:
            Unavailable: something is away; the same batch is decided again later.
        """


@runtime_checkable
class OvertakingHandler(Handler, Protocol):
    """A handler whose messages may overtake those of other keys; see `ExpressLane`."""

    def haste_of(self, value: bytes | None, timestamp_ms: int) -> Haste:
        """Return what a message asks for, by its value and the broker's timestamp, epoch milliseconds."""


@runtime_checkable
class PatientHandler(Handler, Protocol):
    """A handler that lets somebody else go first."""

    def waits_for(self, batch: Sequence[Incoming], *, hurried: bool) -> str | None:
        """Return what a batch waits for, in words; None where it may go.

        Args:
            batch: its messages.
            hurried: whether the group waits for what its members hold, to hand partitions around.
        """


@runtime_checkable
class RefusingHandler(Handler, Protocol):
    """A handler that does more with a message than one thing, and refuses no more of it than what it fails on."""

    async def refuse(self, message: Incoming, reason: BadInput) -> Decision:
        """Return what to do with a message that `decide` fails on: its dead letter, or that of what it leads to."""


class BatchLoop:
    """Runs one handler over one Faust stream."""

    def __init__(
        self,
        app: Any,
        topic: str,
        handler: Handler,
        settings: AgentSettings,
        counters: Counters,
        marks: Marks = NO_MARKS,
    ) -> None:
        self._app = app
        self._marks = marks
        self._handler = handler
        self._settings = settings
        self._counters = counters
        self._pending = FairQueue(settings.max_pending)
        haste_of = handler.haste_of if isinstance(handler, OvertakingHandler) else _no_haste
        self.lane = ExpressLane(settings.read_ahead_mb * MEBIBYTE, haste_of)
        """Closed, and in nobody's way, unless somebody reads ahead."""
        self._lags = False
        self._wake = asyncio.Event()
        self._held: set[TP] = set()
        self._worker: asyncio.Task[None] | None = None
        self._handler_errors = 0
        self._max_batch = min(handler.max_batch, settings.max_batch)
        self._crash_point = CrashPoint(Step(settings.crash_after) if settings.crash_after else None)
        self.topic = topic
        self._in_hand = 0
        self._finished = 0
        self._tries = 0
        self._waits_for: str | None = None

    @property
    def work(self) -> Work:
        """How the loop gets on."""
        waiting = len(self._pending) + self._in_hand
        return Work(self.topic, self._finished, self._tries, waiting, self.lane.overtaken, self._waits_for)

    @property
    def is_flooded(self) -> bool:
        """Whether few keys have most of what the stream has brought and waits."""
        return self._pending.is_of_few

    async def consume(self, stream: Any) -> None:
        """Queue every event of the stream; the body of a Faust agent."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name=f"{self._handler.name} loop")
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            if self.lane.handed_over(event):
                continue
            partition = self._pending.put(event)
            self._wake.set()
            if self._pending.is_full(partition):
                # Not by waiting here: a full queue of one topic would stop Faust's one fetcher for all of them.  What
                # it has in memory of this partition still comes; the fetcher asks for no more.
                self._app.consumer.on_buffer_full(partition)
                self._held.add(partition)

    def wake(self) -> None:
        """Look whether something is urgent in the lane."""
        self._wake.set()

    async def close(self) -> None:
        """Stop working; what is not finished stays unacknowledged."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        batch = Batch([], lambda: None)
        try:
            while True:
                await self._wake.wait()
                if self._overtakes:
                    batch = self.lane.take(self._pending, self._most)
                    await self._do(batch)
                batch = await self._next()
                await self._do(batch)
        except asyncio.CancelledError:
            raise
        except BaseException:
            # This task must never die quietly: the stream would go on queueing while nothing is handled.
            places = sorted(message.place for message in batch.messages)
            log.exception("%s: ended with messages unacknowledged: %s", self._handler.name, _few(places))
            logging.shutdown()
            os._exit(EXIT_STATUS)

    async def _do(self, batch: Batch) -> None:
        if not batch.messages:
            return
        self._in_hand = len(batch.messages)
        await self._turn(batch.messages)
        started_s = time.perf_counter()
        self._crash_point.passed(Step.TAKE)
        await self._finish(batch.messages)
        batch.finish()
        self._crash_point.passed(Step.ACK)
        self._finished += len(batch.messages)
        self._in_hand = 0
        self._counters.took(self.topic, len(batch.messages), time.perf_counter() - started_s)

    async def _turn(self, batch: Sequence[Incoming]) -> None:
        """Wait until the handler may begin with a batch; whoever looks sees that the loop is alive."""
        if not isinstance(self._handler, PatientHandler):
            return
        while (why := self._handler.waits_for(batch, hurried=self._app.rebalancing)) is not None:
            self._waits_for = why
            self._tries += 1
            self._app.consumer.is_alive()
            await asyncio.sleep(LOOK_EVERY_S)
        self._waits_for = None

    @property
    def _most(self) -> int:
        return min(self._max_batch, BATCH_BESIDE_LANE) if self.lane.is_open else self._max_batch

    @property
    def _overtakes(self) -> bool:
        """Whether something is urgent; while the group rebalances only what the stream has brought is done."""
        return self.lane.is_urgent and not self._app.rebalancing

    async def _next(self) -> Batch:
        """Return what the stream has brought."""
        await self._let_in()
        events = self._pending.take(self._most)
        self._lags = len(self._pending) > 0
        if not self._lags and not self._overtakes:
            self._wake.clear()
        self._let_go()

        def finish() -> None:
            for event in events:
                event.ack()

        return Batch([incoming(event.message) for event in events], finish)

    async def _let_in(self) -> None:
        """Let in what the client has fetched, if the last batch left messages waiting.

        Faust hands over a message every few turns of the event loop, and of a fetch all before it looks at the next.  A
        batch has few turns and long ones: a fetch of one listener's thousands would last as long as their work, with
        everybody else's messages behind it.
        """
        until_s, still = time.perf_counter() + LET_IN_S, 0
        while self._lags and still < LET_IN_TURNS and time.perf_counter() < until_s:
            before = len(self._pending)
            await asyncio.sleep(0)
            still = 0 if len(self._pending) > before else still + 1

    def _let_go(self) -> None:
        """Have the fetcher ask again for held partitions of which little waits."""
        for partition in [held for held in self._held if self._pending.is_short_of(held)]:
            self._app.consumer.on_buffer_drop(partition)
            self._held.remove(partition)

    async def _finish(self, batch: Sequence[Incoming]) -> None:
        """Do steps 2 to 4 for a batch; one that the handler fails on is halved until the message is found."""
        try:
            await self._retry_while_unavailable(batch)
            self._handler_errors = 0
        except (Unavailable, Incompatible, KafkaError, ProducerSendError):
            raise  # no message's fault
        except Exception as error:
            if len(batch) > 1:
                log.warning("%s: a batch of %d failed, in halves now: %r", self._handler.name, len(batch), error)
                middle = len(batch) // 2
                await self._finish(batch[:middle])
                await self._finish(batch[middle:])
                return
            await self._dead_letter_after_handler_error(batch[0], error)

    async def _dead_letter_after_handler_error(self, message: Incoming, error: Exception) -> None:
        self._handler_errors += 1
        context = trace_context(message.headers)
        log.error(
            "%s: cannot handle %s",
            self._handler.name,
            message.place,
            exc_info=error,
            extra={"trace_id": context.trace_id} if context else None,
        )
        if self._handler_errors > MAX_HANDLER_ERRORS:
            raise error
        reason = BadInput(f"{type(error).__name__} in the handler", DeadLetterReason.HANDLER_ERROR)
        if isinstance(self._handler, RefusingHandler):
            decision = await self._handler.refuse(message, reason)
        else:
            decision = Decision([dead_letter(message, reason, app=self._handler.name)])
        await self._emit(decision)
        await decision.save()
        self._counters.finished([message], decision, _now_ms())

    async def _retry_while_unavailable(self, batch: Sequence[Incoming]) -> None:
        deadline = time.monotonic() + self._settings.retry_deadline_s
        backoff_s = FIRST_BACKOFF_S
        while True:
            decision = Decision()
            try:
                decision = await self._handler.decide(batch)
                self._crash_point.passed(Step.DECIDE)
                await self._emit(decision)
                self._crash_point.passed(Step.EMIT)
                delivered_ms = _now_ms()
                await decision.save()
                self._crash_point.passed(Step.SAVE)
                self._counters.finished(batch, decision, delivered_ms)
                decision.end_trace()
                return
            except (Unavailable, KafkaError, ProducerSendError) as error:
                decision.end_trace(error)
                if time.monotonic() > deadline:
                    log.error("%s: gave up after %g s", self._handler.name, self._settings.retry_deadline_s)
                    raise
                log.warning("%s: %s; trying again in %.1f s", self._handler.name, error, backoff_s)
                self._tries += 1
                self._counters.retried(self.topic)
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(LONGEST_BACKOFF_S, 2 * backoff_s)

    async def _emit(self, decision: Decision) -> None:
        places = await self._deliver(decision.to_deliver())
        if letters := decision.dead_letters_of_delivered(places):
            await self._deliver(letters)

    async def _deliver(self, messages: Sequence[Outgoing]) -> list[Any]:
        """Send all and wait for every delivery; `topic.send` and sinks would only log a failed one.

        Returns:
            Where each stands.
        """
        send, marks = self._app.producer.send, self._marks
        deliveries = [
            await send(
                m.topic, m.key, marks.value(m.topic, m.value), None, None, marks.headers(m.topic, m.value, m.headers)
            )
            for m in messages
        ]
        delivered = await asyncio.gather(*deliveries, return_exceptions=True)
        for message, error in zip(messages, delivered, strict=True):
            if isinstance(error, KafkaError):
                self._app.producer.begin_anew()
                hint = _HINTS.get(type(error), "")
                raise Unavailable(f"Kafka does not take what goes to {message.topic}: {error}{hint}") from error
            if isinstance(error, BaseException):
                raise error
        return delivered


def _no_haste(value: bytes | None, timestamp_ms: int) -> Haste:
    return Haste.NONE


def _few(places: Sequence[str]) -> str:
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
