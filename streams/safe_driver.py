"""Faust's Kafka driver with the guards that its release lacks.

Faust 0.15.3 commits past an event that is still in flight, commits after a crash has acknowledged unfinished events,
turns the idempotent producer on for transactions only, reads messages in a second thread, makes four tasks of each,
acknowledges without its compiled parts what it passes over, and never asks the group's client whether it has given up.
That client, of aiokafka 0.14, leaves a topic that the broker did not name alone for minutes, begins at the first
message where its coordinator was still loading what is committed, and commits for others after a rebalance.  Each guard
names the fault that it closes; for some, a test runs the stock driver beside it, so that it can go when upstream is
right.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import WaitResults
from mode.utils.futures import maybe_async

from musicrec.producer_numbering import begin_anew
from musicrec.reconnect_pause import pause_before_reconnecting
from streams.begun import Begun
from streams.committed_offsets import CommittedOffsets
from streams.late_commits import LateCommits
from streams.static_membership import StaticMembership
from streams.topic_metadata import TopicMetadata
from streams.vitals import Group, Partition


class LoopTask:
    """Stands in for the thread of a `mode` service: runs the service as a task of the loop that is there."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the service tells by itself when it is up, or why it is not."""
        self._task = self._service.parent_loop.create_task(self._service._serve())

    def stop(self) -> None:
        """Nothing to join: the service has said that it is shut down."""


class LoopConsumer(driver.AIOKafkaConsumerThread):
    """Faust's consumer without a thread of its own.

    Every message would wait for two hand-overs between threads and for the interpreter's lock, a fifth of a
    millisecond at each hop; and a thread goes on with its heartbeats when the loop that does the work is stuck.
    """

    Worker = LoopTask
    _membership: StaticMembership | None = None
    _topics: TopicMetadata | None = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if (gathering := self.app.gathering) is not None:
            # Faust leaves both as they are; the client hands them to its fetcher when it starts.
            consumer._fetch_min_bytes = gathering.least_bytes
            consumer._fetch_max_wait_ms = gathering.longest_wait_ms
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        if self._consumer is None:
            return
        pause_before_reconnecting(self._consumer._client)
        self._topics = TopicMetadata(self._consumer._client)
        coordinator = self._consumer._coordinator
        coordinator._send_req = CommittedOffsets(coordinator._send_req, coordinator.coordinator_dead).send
        late = LateCommits(coordinator)
        coordinator._send_req, coordinator._do_commit_offsets = late.send, late.commit
        instance_id = self.app.conf.consumer_group_instance_id
        if instance_id is not None:
            self._membership = StaticMembership(coordinator._send_req, instance_id)
            coordinator._send_req = self._membership.send

    def group(self) -> Group:
        """Return how the worker stands in its group.

        A client that meets an error which it cannot mend (no permission any more, a refused assignment) keeps it for
        whoever polls next and pauses until then.  Faust polls past it: the worker would stay, and do nothing.
        """
        standing = Group(self.app.conf.id, rebalancing=self.app.rebalancing, rebalances=self.app.rebalancing_count)
        coordinator = self._consumer._coordinator if self._consumer is not None else None
        if coordinator is None:  # the client is made, and only then connects
            return standing
        error = self._membership.fenced if self._membership is not None else None
        if error is None and (kept := coordinator._pending_exception) is not None:
            error = repr(kept)
        if error is None and coordinator._coordination_task.done():
            error = "its task is gone"
        heartbeat = coordinator._heartbeat_task
        member = (
            coordinator.generation > 0
            and coordinator.coordinator_id is not None
            and heartbeat is not None
            and not heartbeat.done()
        )
        missing = self._topics.missing() if self._topics is not None else ()
        return replace(standing, member=member, error=error, missing=missing)

    def is_alive(self) -> None:
        """Have the client count from now how long nothing was fetched."""
        if self._consumer is not None:
            with self._consumer._subscription.fetch_context():
                pass

    def assigned(self) -> set[TP]:
        """Return the partitions that the worker is assigned; none before it has joined."""
        return set(self.assignment()) if self._consumer is not None else set()

    def unread(self, tp: TP) -> int:
        """Return how many messages lie beyond what was fetched, as the last answer to a fetch told."""
        if self._consumer is None or tp not in self.assigned():
            return 0
        return max(0, (self._consumer.highwater(tp) or 0) - self.next_offset(tp))

    def next_offset(self, tp: TP) -> int:
        """Return the offset of the next message to fetch; 0 before it is known."""
        state = self._state(tp)
        return int(state.position) if state is not None and state.has_valid_position else 0

    def fetched_ms(self, tp: TP) -> int | None:
        """Return when the broker last answered a fetch, with messages or none, epoch milliseconds; None before."""
        state = self._state(tp)
        return state.timestamp if state is not None else None

    def _state(self, tp: TP) -> Any:
        assignment = self._consumer._subscription.subscription.assignment if self._consumer is not None else None
        return assignment.state_value(tp) if assignment is not None else None

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Cancel nothing: the tasks of this loop are not the consumer's alone."""


class SafeConsumer(driver.Consumer):
    """Never commits past an event in flight, and never after a crash."""

    _in_flight: Mapping[TP, int] = MappingProxyType({})
    """By partition the first offset that is not finished, as of the commit that is made."""

    def _new_consumer_thread(self) -> LoopConsumer:
        return LoopConsumer(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)

    async def wait_first(self, *waited: Any, timeout: Any = None) -> WaitResults:
        # Faust hands each message over in a task, and makes three more beside it, to see whether the worker stops or
        # partitions are handed around meanwhile: a quarter to a third of what a session worker did for an event.  Most
        # find room in their queue at once.
        if asyncio.iscoroutine(waited[0]) and timeout is None and not self.should_stop:
            begun = Begun(waited[0])
            if begun.done:
                for other in filter(asyncio.iscoroutine, waited[1:]):
                    other.close()
                # The stream takes it now, as it does between those tasks: what lies in Faust's own queue is thrown away
                # when partitions are handed around, and is not known to be in flight.
                await asyncio.sleep(0)
                return WaitResults([waited[0]], [begun.result], False)
            waited = (begun, *waited[1:])
        return await super().wait_first(*waited, timeout=timeout)

    def ack(self, message: Any) -> bool:
        # A stream passes over what comes while the group hands partitions around; that comes again to whoever has the
        # partition then.  Faust's stream in Python, where there is no compiled one, acknowledges it all the same.  What
        # a stream has taken is tracked.
        return bool(message.tracked and super().ack(message))

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:
        # Once for all partitions: thousands may be in flight, and nothing else runs meanwhile.
        self._in_flight = self._first_in_flight()
        return cast("dict[TP, int]", super()._filter_committable_offsets(tps))

    def _new_offset(self, tp: Any) -> int | None:
        # Upstream looks for a gap among acknowledged offsets only, so the commit jumps over an event that is still
        # being handled while a later one is done (faust-streaming #606): a crash then loses it.
        inflight = self._in_flight.get(tp)
        if inflight is None:
            return cast("int | None", super()._new_offset(tp))
        acked = self._acked[tp]
        held_back = [offset for offset in acked if offset >= inflight]
        acked[:] = [offset for offset in acked if offset < inflight]
        try:
            return cast("int | None", super()._new_offset(tp))
        finally:
            acked.extend(held_back)

    def _first_in_flight(self) -> dict[TP, int]:
        first: dict[TP, int] = {}
        for message in list(self._unacked_messages):
            if not message.acked:
                first[message.tp] = min(message.offset, first.get(message.tp, message.offset))
        return first

    def group(self) -> Group:
        """Return how the worker stands in its group."""
        return cast(LoopConsumer, self._thread).group()

    def is_alive(self) -> None:
        """Tell the group's client that the worker is alive, though it takes nothing.

        The client leaves the group when nobody fetches for `broker_max_poll_interval`, and where all partitions are
        held, because the queue is full, Faust does not fetch.
        """
        cast(LoopConsumer, self._thread).is_alive()

    def unread(self) -> dict[TP, int]:
        """Return how many messages lie beyond what was fetched of each assigned partition, as the last fetch told."""
        thread = cast(LoopConsumer, self._thread)
        return {tp: thread.unread(tp) for tp in thread.assigned()}

    def partitions(self, ends: Mapping[tuple[str, int], int]) -> tuple[Partition, ...]:
        """Return the partitions that the worker is assigned.

        Args:
            ends: offset of the next message to be published, by topic and number, where it is known.
        """
        thread = cast(LoopConsumer, self._thread)
        first = self._first_in_flight()
        partitions = []
        for tp in sorted(thread.assigned()):
            position = thread.next_offset(tp)
            held = tp in self._buffered_partitions
            unfinished, fetched_ms = first.get(tp, position), thread.fetched_ms(tp)
            partitions.append(
                Partition(tp.topic, tp.partition, position, unfinished, ends.get(tp, 0), held, fetched_ms)
            )
        return tuple(partitions)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        # On a crash Faust cancels the agents, whose streams acknowledge what they held, and commits on its way out.
        if self.app.crashed or self.crashed:
            return False
        return bool(await super().commit(topics, start_new_transaction))


class IdempotentProducer(driver.Producer):
    """Waits for all in-sync replicas and lets the broker drop what a retry sends twice."""

    async def on_start(self) -> None:
        await super().on_start()
        pause_before_reconnecting(self._ensure_producer().client)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def begin_anew(self) -> None:
        """Be another producer from here on, for after a delivery that has failed for good."""
        begin_anew(self._ensure_producer())


class SafeTransport(driver.Transport):
    """The transport of every agent."""

    Consumer = SafeConsumer
    Producer = IdempotentProducer
