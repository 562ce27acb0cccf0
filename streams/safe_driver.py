"""Faust's Kafka driver with the guards that its release lacks.

Faust 0.15.3 commits past an event that is still in flight, commits after a crash has acknowledged unfinished events,
turns the idempotent producer on for transactions only, and reads messages in a second thread.  Each guard names the
fault that it closes; for the first, a test runs the stock driver beside it, so that it can go when Faust is right.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver
from mode.utils.futures import maybe_async


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

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Cancel nothing: the tasks of this loop are not the consumer's alone."""


class SafeConsumer(driver.Consumer):
    """Never commits past an event in flight, and never after a crash."""

    def _new_consumer_thread(self) -> LoopConsumer:
        return LoopConsumer(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        # Upstream looks for a gap among acknowledged offsets only, so the commit jumps over an event that is still
        # being handled while a later one is done (faust-streaming #606): a crash then loses it.
        inflight = min(
            (message.offset for message in list(self._unacked_messages) if message.tp == tp and not message.acked),
            default=None,
        )
        if inflight is None:
            return cast("int | None", super()._new_offset(tp))
        acked = self._acked[tp]
        held_back = [offset for offset in acked if offset >= inflight]
        acked[:] = [offset for offset in acked if offset < inflight]
        try:
            return cast("int | None", super()._new_offset(tp))
        finally:
            acked.extend(held_back)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        # On a crash Faust cancels the agents, whose streams acknowledge what they held, and commits on its way out.
        if self.app.crashed or self.crashed:
            return False
        return bool(await super().commit(topics, start_new_transaction))


class IdempotentProducer(driver.Producer):
    """Waits for all in-sync replicas and lets the broker drop what a retry sends twice."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class SafeTransport(driver.Transport):
    """The transport of every agent."""

    Consumer = SafeConsumer
    Producer = IdempotentProducer
