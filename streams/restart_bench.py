"""From the start of a ranking worker's process until it is ready, with a full memory on disk; on a real Kafka."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aiokafka import TopicPartition

from index.faiss_index import FaissIndex
from index.snapshot import IndexSnapshots
from index.synthetic_vectors import synthetic_vectors
from musicrec.contracts import Track
from musicrec.evaluation.synthetic_stream import TRACKS_PER_ARTIST, StreamShape, synthetic_snapshots
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.variants import Variants
from musicrec.topics import EMBEDDINGS, SESSIONS, TRACKS
from streams.ranking_snapshots import Learned, RankingSnapshots
from streams.running_sessions import RunningSessions
from streams.snapshot_keeper import take
from streams.topic_ids import topic_ids

STARTS = 3
DIMENSION = 192
SESSIONS_PER_LISTENER = 5
MOST_PLAYS = 40
"""Per session, as the generated stream has them."""
READY_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a worker."""

    ready_s: float
    """Until it has said that it is ready: memory loaded, topics caught up, partitions given."""
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class RestartReport:
    """What was measured."""

    empty: Start
    """Of a worker that has nothing to load."""
    full: list[Start]
    counts: Mapping[str, int]
    vectors: int
    copy_s: float
    """One copy of all that was learned, as a snapshot begins with it."""
    ranking_mb: float
    index_mb: float

    @property
    def ours(self) -> Start:
        """The median start."""
        return sorted(self.full, key=lambda start: start.ready_s)[len(self.full) // 2]


async def measure_restart(
    stack: StackAddresses, folder: Path, *, sessions: int, tracks: int, vectors: int, progress: Callable[[str], None]
) -> RestartReport:
    """Fill a memory and an index, save both, and start workers that load them.

    Args:
        stack: running servers, topics empty.
        folder: for snapshots and logs.
        sessions: sessions learned, about 15 plays each, of a fifth as many listeners.
        tracks: size of the catalogue.
        vectors: size of the index, of 192 components.
        progress: called with what happens now.
    """
    origin = (await topic_ids(stack.kafka, TRACKS, SESSIONS, EMBEDDINGS)).origin
    variables = stack.environment() | {"MUSICREC_RANKING__MAX_SESSIONS": str(sessions)}
    progress("starting a worker with nothing to load")
    empty = await _start(folder / "empty", variables)
    data = folder / "full"
    now_ms = time.time_ns() // 1_000_000
    progress(f"indexing {vectors:,} vectors")
    index = _index(vectors)
    saved = IndexSnapshots(data / "index" / origin).save(index, offsets={}, newest_ms=now_ms, now_ms=now_ms)
    index_mb = _megabytes(saved)
    del index
    progress(f"learning {sessions:,} sessions")
    settings = replace(RankingSettings(), max_sessions=sessions)

    def new() -> Learned:
        return Learned(Variants(Recommender(settings)), RunningSessions())

    learned = new()
    fill(learned, sessions, tracks)
    started_s = time.perf_counter()
    taken = take(learned.state(), 0)
    copy_s = time.perf_counter() - started_s
    # The places of empty topics: there is nothing after the snapshot.
    places = {TopicPartition(topic.name, n): 0 for topic in (SESSIONS, TRACKS) for n in range(topic.partitions)}
    folder_of = RankingSnapshots(data / "ranking" / origin, origin, new)
    ranking_mb = _megabytes(folder_of.save(taken, places, learned.counts(), now_ms=now_ms))
    counts = learned.counts()
    del learned, taken
    full = []
    for number in range(STARTS):
        progress(f"starting a worker, {number + 1} of {STARTS}")
        full.append(await _start(data, variables))
    return RestartReport(empty, full, counts, vectors, copy_s, ranking_mb, index_mb)


def fill(learned: Learned, sessions: int, tracks: int) -> None:
    """Let it learn a catalogue and a generated stream of so many sessions."""
    recommender = learned.recommender
    for number in range(tracks):
        recommender.add_track(Track(track_id=f"track-{number}", artist_id=f"artist-{number // TRACKS_PER_ARTIST}"))
    listeners = max(1, sessions // SESSIONS_PER_LISTENER)
    newest = None
    for snapshot in synthetic_snapshots(StreamShape(plays=sessions * MOST_PLAYS, tracks=tracks, listeners=listeners)):
        if newest is not None and newest.session_id != snapshot.session_id:
            learned.running.put(newest, newest.encode())
            if learned.counts()["sessions"] >= sessions:
                return
        recommender.learn(snapshot)
        newest = snapshot


def _index(vectors: int) -> FaissIndex:
    catalogue = synthetic_vectors(vectors, DIMENSION, seed=0)
    index = FaissIndex(DIMENSION, "synthetic")
    for number, vector in enumerate(catalogue):
        index.upsert(f"track-{number}", vector)
    index.build()
    return index


async def _start(folder: Path, variables: Mapping[str, str]) -> Start:
    """Start a worker, look at it when it is ready, and end it; it has learned nothing that it would save."""
    command = [sys.executable, "-m", "musicrec.cli.main", "worker", "ranking"]
    environment = {**variables, "MUSICREC_DATA_DIR": str(folder), "MUSICREC_AGENT__INSTANCE_ID": "bench"}
    started_s = time.perf_counter()
    worker = ChildProcess.start("ranking", command, folder / "worker.log", environment)
    try:
        async with asyncio.timeout(READY_DEADLINE_S):
            while ": ready" not in worker.log_file.read_text(errors="replace"):
                worker.check_alive()
                await asyncio.sleep(0.02)
        ready_s = time.perf_counter() - started_s
        return Start(ready_s, _cpu_s(worker.pid), _rss_mb(worker.pid))
    finally:
        await worker.stop()


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6
