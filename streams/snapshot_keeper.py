"""When a ranking worker's memory is saved, and how that leaves its lists alone.

Steps
    1. Learning is held: neither what was learned nor the followers' places change.  Lists go on, which only read.
    2. A thread takes copies, piece by piece; after each millisecond it sleeps one, and the event loop has its turn.
    3. Learning goes on.
    4. The thread writes what it took, syncs it and gives it its name.
A crash before the end of 4 leaves the snapshots before, and more of the topics to be learned again.

A copy in memory rather than straight to disk: a slow disk must not hold up learning.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from index.follower import in_daemon_thread
from musicrec.errors import Unavailable
from musicrec.recommend.state import Array
from musicrec.topic_follower import TopicFollower
from streams.ranking_snapshots import Learned, Offsets, RankingSnapshots, Taken

log = logging.getLogger(__name__)

TURN_S = 0.001
"""How long copying keeps the interpreter to itself, and how long it then leaves it to the event loop."""

LAST_SAVE_DEADLINE_S = 15.0
"""Half of what an orchestrator usually grants a process that it ends."""


class SnapshotKeeper:
    """Saves what a follower's handler has learned: every so often, after the first catch-up, and at the end."""

    def __init__(
        self,
        learned: Callable[[], Learned],
        follower: TopicFollower,
        snapshots: RankingSnapshots,
        *,
        interval_s: float,
        saved: Offsets,
    ) -> None:
        """Make a keeper; `start` sets it going.

        Args:
            learned: gives what to save.
            follower: brings it the records, and knows its places.
            snapshots: where to.
            interval_s: pause between two snapshots; nothing is saved while nothing comes.
            saved: places of the snapshot that the worker began with; empty where there was none.
        """
        self._learned = learned
        self._follower = follower
        self._snapshots = snapshots
        self._interval_s = interval_s
        self._saved = saved
        self.newest_ms: int | None = None
        """When the newest snapshot was taken, epoch milliseconds; None before the first."""
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to save, in a task of its own."""
        self._task = asyncio.create_task(self._save_until_stopped(), name="save what was learned")

    async def stop(self) -> None:
        """Save once more, unless that takes too long; a snapshot that is being written is finished first."""
        self._stopping.set()
        try:
            async with asyncio.timeout(LAST_SAVE_DEADLINE_S):
                if self._task is not None:
                    await self._task
                await self._try_to_save(turn_s=0.0)
        except TimeoutError:
            log.warning("no last ranking snapshot within %g s; the one before it stays", LAST_SAVE_DEADLINE_S)

    async def save(self, *, turn_s: float = TURN_S) -> None:
        """Save, unless nothing has come since the last time; copying makes way after each `turn_s`, 0 for never.

        Raises:
            Unavailable: another process is writing there, or the disk is full or away.
        """
        started_s = time.perf_counter()
        async with self._follower.held():
            offsets, learned = self._follower.positions, self._learned()
            if not offsets or offsets == self._saved:  # none: the topics were not reached yet
                return
            counts, what = learned.counts(), learned.described()
            taken = await in_daemon_thread(lambda: take(learned.state(), turn_s))
        held_s = time.perf_counter() - started_s
        now_ms = time.time_ns() // 1_000_000
        await in_daemon_thread(lambda: self._snapshots.save(taken, offsets, counts, now_ms=now_ms))
        self._saved, self.newest_ms = offsets, now_ms
        log.info(
            "ranking snapshot of %s: %.0f MB in %.1f s; learning waited %.2f s",
            what,
            sum(piece.nbytes for pieces in taken.values() for piece in pieces) / 1e6,
            time.perf_counter() - started_s,
            held_s,
        )

    async def _save_until_stopped(self) -> None:
        if not self._saved:
            # The topics were read from their beginnings, which took long: not again, if this process is killed soon.
            await self._until_caught_up()
            await self._try_to_save()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                # Workers that were started together should not all write at once.
                await asyncio.wait_for(self._stopping.wait(), self._interval_s * random.uniform(0.9, 1.1))
                return
            await self._try_to_save()

    async def _until_caught_up(self) -> None:
        ready, stopping = asyncio.create_task(self._follower.ready()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait((ready, stopping), timeout=self._interval_s, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        stopping.cancel()

    async def _try_to_save(self, *, turn_s: float = TURN_S) -> None:
        try:
            await self.save(turn_s=turn_s)
        except Unavailable as error:
            log.warning("%s; trying again in %.0f s", error, self._interval_s)
        except Exception:
            # Answering goes on without snapshots: a restart then takes longer.
            log.exception("no ranking snapshot; trying again in %.0f s", self._interval_s)


def take(pieces: Iterable[tuple[str, Array]], turn_s: float) -> Taken:
    """Return all pieces by name; after each `turn_s` of work others have the interpreter for as long, 0 for never."""
    taken: dict[str, list[Array]] = {}
    since_s = time.perf_counter()
    for name, piece in pieces:
        taken.setdefault(name, []).append(piece)
        if turn_s and time.perf_counter() - since_s > turn_s:
            time.sleep(turn_s)
            since_s = time.perf_counter()
    return taken
