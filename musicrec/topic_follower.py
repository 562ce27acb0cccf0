"""Follow all partitions of some topics, or chosen ones, from the beginning to the end and then for ever.

This is how a process keeps state that everybody needs whole (vectors, catalogue, co-listening), where a consumer group
would give it a part.  Nothing is committed: the place is in memory, or in a snapshot of whoever follows.

Rules
    1. Records of a partition reach the handler in order.  After a restart of the connection it goes on where it was.
    2. `ready` returns when every record that was there at the start has been handled.
    3. The handler is called with slices that take it about `SLICE_BUDGET_S`, and other tasks run in between: a worker
       that catches up with millions of records still answers.
    4. A slice that the handler fails on is handed over again one record at a time; those that fail again are counted
       and skipped.  So handlers are idempotent, as they must be anyway where Kafka may deliver twice.
    5. Whatever happens to the broker, the follower tries again, slower and slower up to `LONGEST_PAUSE_S`.
    6. While somebody has more urgent work on the same event loop, the follower leaves it as much time as it takes.
    7. Which partitions are followed may change at any time.  One that is left is not fetched, and has neither place nor
       lag; followed again it goes on where it was left, if that is still there, and else at its beginning.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from musicrec.errors import Unavailable
from musicrec.reconnect_pause import pause_before_reconnecting

logger = logging.getLogger(__name__)

Handler = Callable[[Sequence[ConsumerRecord]], None]
Choice = Callable[[str, Set[int]], Set[int]]
"""Returns which of a topic's partitions, by number, are followed; always one at least."""

SLICE_BUDGET_S = 0.005
"""How long a handler should keep the event loop to itself."""

MAX_SLICE_RECORDS = 5_000

POLL_MS = 250
"""How long one poll waits when there is nothing new, and how often is looked for new partitions."""

METADATA_MAX_AGE_MS = 30_000
"""How soon added partitions are seen, unless the connection arguments say otherwise."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

STOP_DEADLINE_S = 5.0

SKIPS_WARNED = 20
"""A topic full of bad records must not fill the disk with warnings; the count goes on."""


@dataclass(frozen=True, slots=True)
class StartAt:
    """Where to begin; by default at the beginning."""

    offsets: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Place by partition, as `TopicFollower.positions` gave it; a partition that it lacks begins at its beginning."""
    since_ms: int | None = None
    """Begin with the first record whose timestamp is at least this, epoch milliseconds."""
    end: bool = False
    """Begin with what comes after the start."""


class TopicFollower:
    """Hands all records of `topics` to a handler, for ever."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        topics: Sequence[str],
        handler: Handler,
        *,
        start_at: StartAt | None = None,
        on_lost_place: Callable[[], None] = lambda: None,
        choose: Choice = lambda _, numbers: numbers,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make a follower; `start` sets it going.

        Args:
            connection: aiokafka's connection arguments, as `KafkaSettings.client_options` returns them.
            topics: names of topics; those that do not exist yet are waited for.
            handler: takes records in order, synchronously; see rules 3 and 4.
            start_at: where to begin.
            on_lost_place: called when an offset of `start_at` does not exist (the topic was made anew): all partitions
                then begin at their beginning, and state that belongs to those offsets has to go.
            choose: which partitions are followed; asked every `POLL_MS`, see rule 7.
            gives_way: whether somebody has more urgent work, see rule 6.
        """
        self._connection = dict(connection)
        self.topics = tuple(topics)
        self._handler = handler
        self._start_at = start_at or StartAt()
        self._on_lost_place = on_lost_place
        self._choose = choose
        self._gives_way = gives_way
        self._positions: dict[TopicPartition, int] = {}
        self._left = dict(self._start_at.offsets)
        """Place by partition, for when it is followed again."""
        self._targets: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._caught_up = asyncio.Event()
        self._handing_over = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._slice_records = 100
        self.handled = 0
        """Records that the handler took."""
        self.skipped = 0
        """Records that the handler failed on."""
        self.reconnects = 0
        """Times the connection was made anew."""

    @property
    def caught_up(self) -> bool:
        """Whether all that was there at the start has been handled."""
        return self._caught_up.is_set()

    @property
    def ended(self) -> bool:
        """Whether the task is gone although nobody has stopped it: the state of whoever follows stands still."""
        return self._task is not None and self._task.done()

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """Offset of the next record of each partition that is followed: all before it has been handled."""
        return dict(self._positions)

    @property
    def lag(self) -> int | None:
        """Records that are known to wait, over all partitions; None before the first connection."""
        return self.lag_of(*self.topics)

    def lag_of(self, *topics: str) -> int | None:
        """Likewise of these topics alone."""
        if not self._positions:
            return None
        return sum(max(0, self._end(at) - place) for at, place in self._positions.items() if at.topic in topics)

    def start(self) -> None:
        """Begin to follow, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow_for_ever(), name=f"follow {','.join(self.topics)}")

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until everything that was there at the start has been handled.

        Raises:
            Unavailable: that took longer than `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._caught_up.wait()
        except TimeoutError:
            raise Unavailable(
                f"{', '.join(self.topics)}: not caught up within {timeout_s} s; {self.lag} records behind"
            ) from None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hand nothing over while the body runs: `positions` and what the handler made of the records stay a pair."""
        async with self._handing_over:
            yield

    async def stop(self) -> None:
        """End the task and close the connection. No record is handled after this returns."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            handled = self.handled
            try:
                await self._connect_and_follow()
            except (KafkaError, Unavailable, OSError) as error:
                logger.warning("%s: %s: %s; trying again", ",".join(self.topics), type(error).__name__, error)
            except Exception:
                logger.exception("%s: unexpected error; trying again", ",".join(self.topics))
            self.reconnects += 1
            pause_s = FIRST_PAUSE_S if self.handled > handled else min(2 * pause_s, LONGEST_PAUSE_S)
            # Jitter: a broker that comes back should not meet every follower in the same instant.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _connect_and_follow(self) -> None:
        # No topics here: they would be asked for by name, and some brokers create what is asked for.
        consumer = AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **({"metadata_max_age_ms": METADATA_MAX_AGE_MS} | self._connection),
        )
        try:
            await consumer.start()
            pause_before_reconnecting(consumer._client)
            self._consumer = consumer
            look_at_s = 0.0
            while True:
                if time.monotonic() >= look_at_s:
                    await self._take_new_partitions(consumer)
                    look_at_s = time.monotonic() + POLL_MS / 1000
                records = await self._poll(consumer)
                if records:
                    async with self._handing_over:
                        took_s = self._hand_over(records)
                    # At least one turn: a poll of what is buffered already does not let others run.  One is little for
                    # work of many turns, as a batch is that waits for its servers in between.
                    await asyncio.sleep(took_s if self._gives_way() else 0)
                if not self.caught_up:
                    await self._check_caught_up(consumer, idle=not records)
        finally:
            self._consumer = None
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(consumer.stop(), STOP_DEADLINE_S)

    async def _take_new_partitions(self, consumer: AIOKafkaConsumer) -> None:
        present = await self._present_partitions(consumer)
        if present == consumer.assignment():
            return
        new = present - self._positions.keys()
        first_places = await self._first_places(consumer, new) if new else {}
        if not self.caught_up:
            self._targets = await consumer.end_offsets(list(present))
        self._left |= {p: place for p, place in self._positions.items() if p not in present}
        self._positions = {p: self._positions.get(p, first_places.get(p, 0)) for p in present}
        # Assigning forgets every place, so each is sought again, with nothing awaited in between: aiokafka's own
        # reaction to new partitions (of a subscription) would read all of them from the beginning.
        consumer.assign(sorted(present))
        for partition, place in self._positions.items():
            consumer.seek(partition, place)

    async def _present_partitions(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        cluster = consumer
        if not consumer.assignment():
            # The consumer knows partitions of assigned topics only, and has no public way to ask for others.
            cluster = await consumer._client.fetch_all_metadata()
        present: set[TopicPartition] = set()
        for topic in self.topics:
            numbers = cluster.partitions_for_topic(topic)
            if not numbers:
                raise Unavailable(f"topic {topic} does not exist; `musicrec topics` creates it")
            present.update(TopicPartition(topic, number) for number in self._choose(topic, numbers))
        return present

    async def _first_places(
        self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]
    ) -> dict[TopicPartition, int]:
        beginnings = await consumer.beginning_offsets(list(partitions))
        ends = await consumer.end_offsets(list(partitions))
        if self._positions:  # partitions that were added while we followed, or are followed again
            left = {p: self._left.get(p, beginnings[p]) for p in partitions}
            return {p: place if beginnings[p] <= place <= ends[p] else beginnings[p] for p, place in left.items()}
        if self._start_at.end:
            return dict(ends)
        if self._start_at.since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, self._start_at.since_ms))
            return {p: found[p].offset if found.get(p) is not None else ends[p] for p in partitions}
        wanted = {p: self._start_at.offsets.get(p, beginnings[p]) for p in partitions}
        lost = sorted(p for p, place in wanted.items() if not beginnings[p] <= place <= ends[p])
        if lost:
            logger.warning("%s: offset %d is not there any more; from the beginning", lost[0], wanted[lost[0]])
            self._left.clear()
            self._on_lost_place()
            return dict(beginnings)
        return wanted

    async def _poll(self, consumer: AIOKafkaConsumer) -> list[ConsumerRecord]:
        batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._slice_records)
        return [record for batch in batches.values() for record in batch]

    def _hand_over(self, records: list[ConsumerRecord]) -> float:
        """Have the handler take records; return how long it took, seconds."""
        started_s = time.perf_counter()
        try:
            self._handler(records)
            self.handled += len(records)
        except Exception as error:
            logger.debug("a slice of %d records failed: %r", len(records), error)
            self._hand_over_singly(records)
        elapsed_s = max(time.perf_counter() - started_s, 1e-6)
        for record in records:
            self._positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
        fitting = int(len(records) * SLICE_BUDGET_S / elapsed_s)
        # At most doubled: a slice of one cheap record says little about the next thousand.
        self._slice_records = max(1, min(fitting, 2 * self._slice_records, MAX_SLICE_RECORDS))
        return elapsed_s

    def _hand_over_singly(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                self._handler([record])
                self.handled += 1
            except Exception as error:
                self.skipped += 1
                if self.skipped <= SKIPS_WARNED:
                    place = f"{record.topic}[{record.partition}]@{record.offset}"
                    logger.warning("%s skipped (%d so far): %s", place, self.skipped, error)

    async def _check_caught_up(self, consumer: AIOKafkaConsumer, *, idle: bool) -> None:
        if idle:
            # A partition may end in offsets that carry no record (transaction markers, compaction, retention): only
            # the consumer's own place passes them.
            for partition in consumer.assignment():
                self._positions[partition] = max(self._positions[partition], await self._place(consumer, partition))
        if all(self._positions[partition] >= target for partition, target in self._targets.items()):
            self._caught_up.set()

    async def _place(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_MS / 1000):
                return int(await consumer.position(partition))
        return 0

    def _end(self, partition: TopicPartition) -> int:
        known = self._consumer.highwater(partition) if self._consumer is not None else None
        return int(known if known is not None else self._targets.get(partition, 0))
