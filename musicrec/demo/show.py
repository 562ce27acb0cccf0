"""The demo: embedded stack, agents, page, catalogue and audience as one run, stopped together."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aiokafka import AIOKafkaProducer, ConsumerRecord

from musicrec.contracts import ListenEvent, Track
from musicrec.demo.narrator import Narrator
from musicrec.local import EmbeddedStack, StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.replay import replay, replay_producer
from musicrec.settings import KafkaSettings, RedisSettings
from musicrec.topic_follower import StartAt, TopicFollower
from musicrec.topics import DEAD_LETTERS, EMBEDDINGS, OUTCOMES, RECOMMENDATIONS, SESSIONS, TRACKS, Topic

log = logging.getLogger(__name__)

READY_DEADLINE_S = 120.0
DRAIN_DEADLINE_S = 60.0
LINES_EVERY_S = 0.7
"""Lists are printed no faster than one can read them; all are counted."""

AGENTS = ("session", "ranking", "outcome")
"""The demo begins when these are ready; the embedder loads its network meanwhile."""


@dataclass(frozen=True, slots=True)
class ShowPlan:
    """What to show."""

    data_dir: Path
    audio_root: Path
    """Folder that the embedder may read."""
    catalogue: Sequence[Track]
    """In order of release; those that are out are announced at once, with audio or without."""
    tracks: Callable[[], Iterator[Track]]
    """The same with their audio, which may be rendered while this is iterated."""
    events: Iterable[ListenEvent]
    limit: int | None = None
    """Events to publish before the summary; none goes on until it is stopped."""
    speed: float | None = 1.0
    rate_per_s: float | None = None
    kafka: KafkaSettings | None = None
    redis: RedisSettings | None = None
    page_port: int = 8400


class Show:
    """One run of the demo."""

    def __init__(self, plan: ShowPlan, say: Callable[[str], None], stop: asyncio.Event) -> None:
        self._plan = plan
        self._say = say
        self._stop = stop
        self._narrator = Narrator()
        self._announced: dict[str, Track] = {}
        self._children: list[ChildProcess] = []
        self._printed_s = 0.0
        self._began_ms = 0

    async def run(self) -> int:
        """Run until the limit or the stop; return the exit status."""
        plan = self._plan
        began_s = time.perf_counter()
        async with AsyncExitStack() as stack:
            servers = EmbeddedStack(plan.data_dir, kafka=plan.kafka, redis=plan.redis)
            addresses = (await stack.enter_async_context(servers)).addresses
            # Imported here: the library below the services does not depend on them.
            from streams.topic_admin import create_missing_topics

            await create_missing_topics(addresses.kafka)
            self._say(f"Kafka and Valkey answer after {time.perf_counter() - began_s:.1f} s; data in {plan.data_dir}")
            stack.push_async_callback(self._stop_children)
            self._start_children(addresses)
            await stack.enter_async_context(self._narrating(addresses))
            producer = replay_producer(addresses.kafka)
            await producer.start()
            stack.push_async_callback(producer.stop)
            await self._until_ready(AGENTS)
            self._say(f"agents are ready after {time.perf_counter() - began_s:.1f} s")
            return await self._play(producer)

    def _start_children(self, addresses: StackAddresses) -> None:
        logs = self._plan.data_dir / "logs"
        variables = addresses.environment() | {
            "MUSICREC_DATA_DIR": str(self._plan.data_dir),
            "MUSICREC_EMBEDDER_ALLOWED_ROOT": str(self._plan.audio_root.resolve()),
            # The demo shares one small machine: the embedder leaves the other cores to the agents.
            "MUSICREC_EMBEDDER_THREADS": "1",
        }
        musicrec = [sys.executable, "-m", "musicrec.cli.main"]
        for agent in (*AGENTS, "embedder"):
            own = variables | {"MUSICREC_AGENT__INSTANCE_ID": f"demo-{agent}"}
            child = ChildProcess.start(agent, [*musicrec, "worker", agent], logs / f"{agent}.log", own)
            self._children.append(child)
        page = [*musicrec, "web", "--port", str(self._plan.page_port)]
        self._children.append(ChildProcess.start("page", page, logs / "page.log", variables))

    async def _stop_children(self) -> None:
        # All at once: each finishes what it took, and what it did not take waits on its topic for the next start.
        await asyncio.gather(*(child.stop() for child in self._children))

    async def _until_ready(self, names: Iterable[str]) -> None:
        waiting = {child for child in self._children if child.name in names}
        async with asyncio.timeout(READY_DEADLINE_S):
            while waiting and not self._stop.is_set():
                for child in list(waiting):
                    child.check_alive()
                    if ": ready" in child.log_file.read_text(errors="replace"):
                        waiting.remove(child)
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def _narrating(self, addresses: StackAddresses) -> AsyncIterator[None]:
        options = addresses.kafka.client_options()
        from_now: tuple[Topic, ...] = (SESSIONS, RECOMMENDATIONS, OUTCOMES, EMBEDDINGS, *DEAD_LETTERS)
        followers = [
            TopicFollower(options, [TRACKS.name], self._take),
            TopicFollower(options, [t.name for t in from_now], self._take, start_at=StartAt(end=True)),
        ]
        for follower in followers:
            follower.start()
        try:
            for follower in followers:
                await follower.ready(READY_DEADLINE_S)
            yield
        finally:
            for follower in followers:
                await follower.stop()

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            made = self._narrator.take(record)
            now_s = time.monotonic()
            if made is not None and now_s - self._printed_s >= LINES_EVERY_S:
                self._printed_s = now_s
                for line in self._narrator.lines(made):
                    self._say(line)

    async def _play(self, producer: AIOKafkaProducer) -> int:
        plan = self._plan
        await self._announce_catalogue(producer)
        self._began_ms = time.time_ns() // 1_000_000
        announcing = asyncio.create_task(self._announce(producer))
        guarding = asyncio.create_task(self._guard())
        try:
            report = await replay(
                islice(plan.events, plan.limit),
                producer,
                speed=plan.speed if plan.rate_per_s is None else None,
                rate_per_s=plan.rate_per_s,
                stop=self._stop,
            )
            drained = await self._drained(report.delivered) if plan.limit is not None else True
        finally:
            for task in (announcing, guarding):
                task.cancel()
            results = await asyncio.gather(announcing, guarding, return_exceptions=True)
        self._say("")
        for name, figure in self._narrator.summary(report.delivered, self._began_ms):
            self._say(f"{name:>28}  {figure}")
        failures = [r for r in results if isinstance(r, Exception)]
        for failure in failures:
            self._say(f"failed: {failure}")
        if not drained:
            self._say("failed: some events have neither a list nor a dead letter; see the logs")
        return 0 if drained and not failures else 1

    async def _announce_catalogue(self, producer: AIOKafkaProducer) -> None:
        """Publish the tracks that are out and unknown to the topic: nobody waits for their audio to be rendered."""
        now_ms = time.time_ns() // 1_000_000
        for track in self._plan.catalogue:
            if track.track_id not in self._narrator.tracks and (track.released_at_ms or 0) <= now_ms:
                await producer.send(TRACKS.name, track.encode(), key=track.track_id.encode())
                self._announced[track.track_id] = track
        await producer.flush()

    async def _announce(self, producer: AIOKafkaProducer) -> None:
        """Publish each track when it is released; what the topic holds already is not published again."""
        tracks = self._plan.tracks()
        while (track := await asyncio.to_thread(next, tracks, None)) is not None:
            key = track.track_id.encode()
            known = self._announced.get(track.track_id) or self._narrator.tracks.get(track.track_id)
            wait_s = (track.released_at_ms or 0) / 1000 - time.time()
            if wait_s > 0:
                if known is not None:  # released by an earlier run: taken back, so that it can be announced again
                    await producer.send_and_wait(TRACKS.name, None, key=key)
                await asyncio.sleep(wait_s)
            elif _same_but_for_release(known, track):
                continue
            await producer.send_and_wait(TRACKS.name, track.encode(), key=key)

    async def _guard(self) -> None:
        """End the show when a child ends by itself."""
        while True:
            for child in self._children:
                if child.returncode is not None:
                    self._stop.set()
                    child.check_alive()
            await asyncio.sleep(0.5)

    async def _drained(self, published: int) -> bool:
        """Wait until every event has a list or a dead letter."""
        deadline_s = time.monotonic() + DRAIN_DEADLINE_S
        while time.monotonic() < deadline_s:
            told = self._narrator
            settled = told.counts["applied"] + sum(told.refused.values())
            if settled >= published and told.answered >= told.counts["applied"]:
                return True
            await asyncio.sleep(0.1)
        return False


def _same_but_for_release(known: Track | None, track: Track) -> bool:
    return known is not None and known.model_copy(update={"released_at_ms": track.released_at_ms}) == track
