"""Keeps a worker's index as the embeddings topic says: all of it before `ready`, every change within milliseconds."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from aiokafka import ConsumerRecord, TopicPartition

from index.serving import Generation, ServingIndex
from index.snapshot import IndexSnapshots
from musicrec.contracts import TrackEmbedding
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.topic_follower import StartAt, TopicFollower
from musicrec.topics import EMBEDDINGS

logger = logging.getLogger(__name__)

MAINTENANCE_PAUSE_S = 1.0
"""How often the follower looks whether lists are due, a generation is ready, a snapshot is due."""

REFUSALS_WARNED = 20

T = TypeVar("T")


class EmbeddingFollower:
    """Follows `musicrec.track-embeddings.v1` into an index.

    A record that breaks the contract is counted and passed over: the embedder wrote it, and ranking must go on.
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        index: ServingIndex,
        *,
        snapshots: Path | None = None,
        snapshot_interval_s: float = 1_800.0,
        topic: str = EMBEDDINGS.name,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a follower; `start` sets it going.

        Args:
            connection: aiokafka's connection arguments, as `KafkaSettings.client_options` returns them.
            index: what to keep fresh; search it at any time.
            snapshots: folder to start from and to save to; without one the topic is read from its beginning.
            snapshot_interval_s: pause between two snapshots; nothing is saved while nothing changes.
            topic: name of the topic.
            on_refused: called for each record that breaks the contract.
        """
        self._connection = connection
        self.index = index
        self._snapshots = IndexSnapshots(snapshots) if snapshots is not None else None
        self._snapshot_interval_s = snapshot_interval_s
        self._topic = topic
        self._on_refused = on_refused
        self._follower: TopicFollower | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._saved_at_s = 0.0
        self._saved_changes = 0
        self.upserts = 0
        """Vectors set."""
        self.removals = 0
        """Tombstones applied."""
        self.refused = 0
        """Records that break the contract."""

    @property
    def is_ready(self) -> bool:
        """Whether `ready` has been reached."""
        return self._ready.is_set()

    @property
    def ended(self) -> bool:
        """Whether a task is gone although nobody has stopped it: the index stands still."""
        maintenance_ended = self._task is not None and self._task.done()
        return maintenance_ended or (self._follower is not None and self._follower.ended)

    @property
    def lag(self) -> int | None:
        """Records that are known to wait; None before the first connection."""
        return self._follower.lag if self._follower is not None else None

    async def start(self) -> None:
        """Load the newest good snapshot, if there is any, and begin to follow."""
        start_at = await self._restored()
        self._follower = TopicFollower(
            self._connection, [self._topic], self._apply, start_at=start_at, on_lost_place=self.index.clear
        )
        self._follower.start()
        self._saved_at_s = time.monotonic()
        self._task = asyncio.create_task(self._maintain_for_ever(self._follower), name="maintain index")

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until the index holds all that was on the topic at the start, with lists trained.

        Raises:
            Unavailable: that took longer than `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable(
                f"{self._topic}: index not ready within {timeout_s} s; {self.lag} records behind"
            ) from None

    async def stop(self) -> None:
        """Stop following; the index stays as it is."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._follower is not None:
            await self._follower.stop()

    async def _restored(self) -> StartAt:
        if self._snapshots is None:
            return StartAt()
        folder, config = self._snapshots, self.index.config
        snapshot = await in_daemon_thread(lambda: folder.load(now_ms=_now_ms(), config=config))
        if snapshot is None:
            return StartAt()
        self.index.restore(Generation(snapshot.index, snapshot.manifest.newest_ms))
        return StartAt(offsets={TopicPartition(self._topic, p): offset for p, offset in snapshot.offsets.items()})

    def _apply(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            try:
                self._apply_one(record)
            except BadInput as error:
                self.refused += 1
                self._on_refused()
                if self.refused <= REFUSALS_WARNED:
                    place = f"{record.topic}[{record.partition}]@{record.offset}"
                    logger.warning("%s passed over (%d so far): %s", place, self.refused, error)

    def _apply_one(self, record: ConsumerRecord) -> None:
        try:
            key = (record.key or b"").decode()
        except UnicodeDecodeError:
            raise BadInput("the key is not UTF-8", DeadLetterReason.KEY_MISMATCH) from None
        if record.value is None:
            self.removals += self.index.remove(key)
            return
        embedding = TrackEmbedding.decode(record.value)
        if embedding.track_id != key:
            raise BadInput(f"key {key!r} differs from track_id {embedding.track_id!r}", DeadLetterReason.KEY_MISMATCH)
        self.index.apply(embedding)
        self.upserts += 1

    async def _maintain_for_ever(self, follower: TopicFollower) -> None:
        await follower.ready()
        self.index.settle()
        while True:
            try:
                if self.index.maintenance_is_due():
                    await in_daemon_thread(self.index.maintain)
                self._ready.set()
                await self._save_if_due(follower)
            except Exception:
                # Searching and following go on without lists or snapshots, only slower.
                logger.exception("index maintenance failed; trying again")
            await asyncio.sleep(MAINTENANCE_PAUSE_S)

    async def _save_if_due(self, follower: TopicFollower) -> None:
        generation, changes = self.index.serving, self.upserts + self.removals
        if self._snapshots is None or generation is None or changes == self._saved_changes:
            return
        if time.monotonic() - self._saved_at_s < self._snapshot_interval_s:
            return
        if len(self.index.tracks_by_model) > 1:
            return  # a snapshot holds one generation; the other one's records would be behind its offsets
        self._saved_at_s = time.monotonic()
        folder, newest_ms = self._snapshots, generation.newest_ms
        # Read before the copy is taken: what comes in between is in it and is applied again, which changes nothing.
        offsets = {partition.partition: place for partition, place in follower.positions.items()}
        try:
            await in_daemon_thread(
                lambda: folder.save(generation.index, offsets=offsets, newest_ms=newest_ms, now_ms=_now_ms())
            )
            self._saved_changes = changes
        except Unavailable as error:
            logger.warning("%s; trying again in %.0f s", error, self._snapshot_interval_s)


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """Run a long function outside the event loop; the process can end without waiting for it, unlike `to_thread`."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=work, daemon=True).start()
    return await done


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
