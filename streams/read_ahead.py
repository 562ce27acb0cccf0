"""Reads what lies ahead of a stream in partitions that lag, for the express lane; a reader of its own, in no group."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.types import TP

from musicrec.reconnect_pause import pause_before_reconnecting
from musicrec.settings import Settings
from streams.batch_loop import BatchLoop
from streams.faust_app import App
from streams.safe_driver import SafeConsumer

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.2
READ_MESSAGES: Final = 500
"""At a time: a few milliseconds, between which everything else goes on."""
READ_TIMEOUT_MS: Final = 200
STOP_DEADLINE_S: Final = 3.0
LATELY_S: Final = 10.0
"""Whoever published something since is there now, when a lag is first seen; a stream that is no older, and not flooded
by a few, does not lag."""
PAUSE_S: Final = 5.0
"""After a failure."""


class ReadAhead:
    """Fills the lane of one topic while any of its partitions lags."""

    def __init__(self, app: App, loop: BatchLoop, settings: Settings) -> None:
        """Make one.

        Args:
            app: whose stream of the loop's topic is the one that lags.
            loop: works on that stream, and on what its lane gives.
            settings: connection, and how many messages wait before the stream fetches no more; a quarter of that is a
                lag.
        """
        self._app = app
        self._loop = loop
        self._lane = loop.lane
        self._topic = loop.topic
        self._connection = settings.kafka.client_options()
        self._lag = settings.agent.max_pending // 4
        self._has_memory = settings.agent.read_ahead_mb > 0
        self._task: asyncio.Task[None] | None = None
        self._rebalances = 0

    def start(self) -> None:
        """Begin to watch, in a task of its own, if there is any memory to read into."""
        if self._has_memory:
            self._task = asyncio.create_task(self._watch(), name=f"read ahead of {self._topic}")

    async def stop(self) -> None:
        """End; what is in the lane is left to the stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._lane.forget()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            # One that was left open by a failure is read on, or closed.
            if self._moved() or not (self._lane.is_open or self._lags()):
                continue
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                log.warning("%s: cannot read ahead: %s: %s; trying again", self._topic, type(error).__name__, error)
                await asyncio.sleep(PAUSE_S)
            except Exception:
                # Nothing is lost without the lane, but time.
                log.exception("%s: cannot read ahead; trying again", self._topic)
                await asyncio.sleep(PAUSE_S)

    def _moved(self) -> bool:
        """Forget everything where the group has rebalanced; return whether it has, or does so now."""
        if self._app.rebalancing or self._app.rebalancing_count != self._rebalances:
            self._rebalances = self._app.rebalancing_count
            self._lane.forget()
            return True
        return False

    def _lags(self) -> bool:
        if self._loop.work.waiting + sum(self._unread().values()) < self._lag:
            return False
        return self._lane.is_open or self._loop.is_flooded or self._lane.is_needed(_lately_ms())

    def _unread(self) -> dict[TP, int]:
        consumer: SafeConsumer = self._app.consumer
        return {tp: count for tp, count in consumer.unread().items() if tp.topic == self._topic}

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **self._connection
        )
        try:
            await consumer.start()
            pause_before_reconnecting(consumer._client)
            log.info("%s lags: reading ahead for listeners who are there now", self._topic)
            while not self._moved() and (self._lags() or not self._lane.is_passed):
                await self._assign(consumer)
                if not consumer.assignment():
                    await asyncio.sleep(LOOK_EVERY_S)
                    continue
                found = await consumer.getmany(timeout_ms=READ_TIMEOUT_MS, max_records=READ_MESSAGES)
                if self._moved():
                    break
                for partition, records in found.items():
                    self._lane.read(TP(*partition), records)
                if self._lane.is_urgent:
                    self._loop.wake()
                await asyncio.sleep(0)  # a poll of what is buffered already does not let others run
            self._lane.close()
            log.info("%s: no lag any more, %d messages have overtaken", self._topic, self._lane.overtaken)
        finally:
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(consumer.stop(), STOP_DEADLINE_S)

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Read every partition of which the stream has brought anything, from there on."""
        new = {tp for tp in self._unread() if self._lane.can_open(tp)}
        if new:
            ends = await consumer.end_offsets([*new])
            lately = await consumer.offsets_for_times(dict.fromkeys(new, _lately_ms()))
            for tp in new:
                self._lane.open(tp, ends[tp] if lately[tp] is None else lately[tp].offset)
        if new or consumer.assignment() != self._lane.partitions:
            consumer.assign(sorted(self._lane.partitions))
            for tp in self._lane.partitions:
                consumer.seek(tp, self._lane.next_offset(tp))


def _lately_ms() -> int:
    return time.time_ns() // 1_000_000 - round(LATELY_S * 1000)
