"""When a memory is saved, and when not."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from aiokafka import ConsumerRecord, TopicPartition
from listening import Listening

from musicrec.contracts import SessionSnapshot
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.state import Array
from musicrec.recommend.variants import Variants
from musicrec.topic_follower import TopicFollower
from streams.ranking_snapshots import Learned, Offsets, RankingSnapshots
from streams.running_sessions import RunningSessions
from streams.snapshot_keeper import SnapshotKeeper, take

PLACE = TopicPartition("sessions", 0)


class Worker:
    """A memory, a follower that is handed records by hand, and a keeper."""

    def __init__(self, root: Path, saved: Offsets | None = None) -> None:
        self.learned = self.nothing()
        self.follower = TopicFollower({}, [PLACE.topic], self._learn)
        self.snapshots = RankingSnapshots(root, "cluster", self.nothing)
        self.keeper = SnapshotKeeper(
            lambda: self.learned, self.follower, self.snapshots, interval_s=3600, saved=saved or {}
        )
        self._world = Listening()
        self._offset = 0

    @staticmethod
    def nothing() -> Learned:
        return Learned(Variants(Recommender(RankingSettings(max_sessions=100, max_tracks=500))), RunningSessions())

    def _learn(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            self.learned.recommender.learn(SessionSnapshot.decode(record.value))

    def take(self, plays: int) -> None:
        for _ in range(plays):
            value = self._world.play("user", f"t{self._offset}").encode()
            record = ConsumerRecord(*PLACE, self._offset, 0, 0, b"user", value, None, 4, len(value), ())
            self.follower._hand_over([record])
            self._offset += 1

    def saved(self) -> int:
        return len(self.snapshots._folder.newest_first())

    def on_disk(self) -> Offsets | None:
        found = self.snapshots.load(now_ms=time.time_ns() // 1_000_000)
        return None if found is None else found.offsets


async def test_nothing_is_saved_before_the_topics_were_reached(tmp_path: Path) -> None:
    worker = Worker(tmp_path, saved={PLACE: 40})
    worker.keeper.start()
    await worker.keeper.stop()
    assert worker.on_disk() is None


async def test_what_was_learned_is_saved_at_the_end_with_its_place(tmp_path: Path) -> None:
    worker = Worker(tmp_path, saved={PLACE: 0})
    worker.keeper.start()
    worker.take(7)
    await worker.keeper.stop()
    assert worker.on_disk() == {PLACE: 7}


async def test_nothing_is_saved_where_nothing_came(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.take(7)
    await worker.keeper.save()
    await worker.keeper.save()
    assert worker.saved() == 1


def test_copying_leaves_the_interpreter_to_others_in_between() -> None:
    runs: list[str] = []

    def pieces() -> Iterator[tuple[str, Array]]:
        for _ in range(20):
            until_s = time.perf_counter() + 0.004
            while time.perf_counter() < until_s:
                pass
            runs.append("copy")
            yield "numbers", np.zeros(1)

    copying = threading.Thread(target=lambda: take(pieces(), 0.002))
    copying.start()
    while copying.is_alive():
        runs.append("other")
        time.sleep(0.0005)
    between = sum(one == "copy" and other == "other" for one, other in pairwise(runs))
    assert between > 10
