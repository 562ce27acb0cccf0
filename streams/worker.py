"""Composition root of the agents: one process, one agent, everything built here and passed in."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from importlib import import_module
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from aiokafka.errors import KafkaError
from prometheus_client import disable_created_metrics

from musicrec.access import AGENTS, EMBEDDER, OUTCOME, RANKING, RE_EMBEDDER, SESSION, SESSION_RANKING, Service
from musicrec.errors import MusicrecError, Unavailable
from musicrec.kafka_access import check_access
from musicrec.registry.wire_format import NO_MARKS, Marks
from musicrec.settings import Settings
from musicrec.topics import EMBEDDINGS, LISTENS, MODELS, REQUESTS, RULES, SESSIONS, TRACKS, Topic
from streams import metrics
from streams.batch_loop import BatchLoop, Handler, OvertakingHandler
from streams.closed_connections import pass_over_closed_connections
from streams.consumer_groups import consumer_group
from streams.counters import Counters
from streams.faust_app import App, new_app
from streams.gathering import Gathering
from streams.health import Health, must_not_fail
from streams.read_ahead import ReadAhead
from streams.topic_admin import create_missing_topics
from streams.topic_ids import topic_ids
from streams.traces import Traces, traces_of
from streams.vitals import Phase
from streams.waiting_start import answered
from streams.watchdog import end_process, end_process_after

if TYPE_CHECKING:
    from streams.embedder_agent import Memory  # numba and OpenVINO, which other agents need not load
    from streams.newest_sessions import StoredSessions
    from streams.ranking_agent import Rankers
    from streams.redis_connection import RedisClient
    from streams.session_agent import SessionAgent

log = logging.getLogger(__name__)

COUNTERS_EVERY_S = 10.0
GC_THRESHOLDS = (50_000, 20, 100)
"""Records have no cycles, reference counts free them; a collection is for the rare rest, not for every 700 objects."""


class Agent(StrEnum):
    """The agents."""

    SESSION = "session"
    RANKING = "ranking"
    OUTCOME = "outcome"
    EMBEDDER = "embedder"
    RE_EMBEDDER = "re-embedder"
    SESSION_RANKING = "session-ranking"


@runtime_checkable
class GroupedHandler(Handler, Protocol):
    """A handler whose group is not that of its agent's name alone."""

    group: str


@runtime_checkable
class UnhurriedHandler(Handler, Protocol):
    """A handler whose messages may come together before it gets them."""

    gathering: Gathering


LOADED: Final[Mapping[str, tuple[str, ...]]] = {
    Agent.RANKING: ("streams.ranking_state", "streams.warm_up"),
    Agent.SESSION_RANKING: ("streams.ranking_state", "streams.warm_up"),
    Agent.EMBEDDER: ("streams.embedder_agent",),
    Agent.RE_EMBEDDER: ("streams.re_embedder_agent",),
}
"""What takes an agent seconds to import, and ten times as long with a tenth of a core: in a thread, so that the event
loop turns meanwhile, `/livez` answers, and the watchdog does not take the worker for dead."""

Handlers = list[tuple[Topic, Handler]]
Build = Callable[[Settings, Counters, Health, AsyncExitStack], Awaitable[Handlers]]
"""Makes the handlers of an agent; what they need closed goes onto the stack."""


async def run_worker(agent: Agent, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run one agent until SIGTERM or SIGINT; return the exit status.

    A worker is ready when its state is restored and it is a member of its group.  Once it stops, the process has
    `stop_deadline_s` to end; beyond that it is ended, and what was not acknowledged comes again.

    Raises:
        Unavailable: Kafka or Redis did not answer until the start's deadline, or went away while state was restored.
        Incompatible: settings or topics do not fit.
    """
    build: dict[Agent, Build] = {
        Agent.SESSION: _session_handlers,
        Agent.RANKING: _ranking_handlers,
        Agent.OUTCOME: _outcome_handlers,
        Agent.EMBEDDER: _embedder_handlers,
        Agent.RE_EMBEDDER: _re_embedder_handlers,
        Agent.SESSION_RANKING: _session_ranking_handlers,
    }
    return await run_handlers(agent.value, settings, build[agent], on_ready)


async def run_handlers(name: str, settings: Settings, build: Build, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run what `build` makes as one agent; see `run_worker`."""
    stop = _stop_on_signal()
    started_s = time.perf_counter()
    pass_over_closed_connections(asyncio.get_running_loop())
    gc.set_threshold(*GC_THRESHOLDS)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    counters = Counters(name)
    health = Health(settings, counters)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(health.watched())
        # State can take long to restore, and the group to come together; a worker that is told to stop meanwhile has
        # nothing in flight.
        making = asyncio.create_task(_handlers(name, build, settings, counters, health, stack))
        if not await _done_before(stop, making):
            _begin_stop(settings)
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
            return 0
        handlers, marks = making.result()
        app = new_app(
            name,
            settings.kafka,
            settings.agent,
            settings.data_dir,
            group=_group(handlers),
            gathering=_gathering(handlers),
        )
        loops = [_attach(app, topic, handler, settings, counters, marks) for topic, handler in handlers]
        overtaking = [isinstance(handler, OvertakingHandler) for _, handler in handlers]
        readers = [ReadAhead(app, loop, settings) for loop in compress(loops, overtaking)]
        health.join(app, loops)
        try:
            joined = await _done_before(stop, asyncio.create_task(app.start()))
        except KafkaError as error:
            await asyncio.gather(app.producer.on_stop(), return_exceptions=True)
            raise Unavailable(
                f"Kafka at {settings.kafka.bootstrap_servers} went away while {name} joined its group: {error}"
            ) from None
        if not joined:
            # A client that waits for its group cannot be stopped before the group answers.  Here, while all that a
            # first batch may work with is still open, and with nothing acknowledged.
            log.info("%s: stopped before it had joined its group", name)
            logging.shutdown()
            os._exit(0)
        for reader in readers:
            reader.start()

        def ready() -> None:
            counters.startup.set(time.perf_counter() - started_s)
            on_ready()

        status = await _run_until(stop, app, counters, ready)
        health.phase = Phase.STOPPING
        _begin_stop(settings)
        if any(loop.work.waits_for for loop in loops):
            # For others, who may need hours: what it holds would not be finished in time, and comes again.
            log.info("%s: stopped while others went first", name)
            await app.consumer.commit()
            logging.shutdown()
            os._exit(status)
        for reader in readers:
            await reader.stop()
        await app.stop()  # waits for what is in flight, commits and leaves; the loops work on meanwhile
        for loop in loops:
            await loop.close()
    counters.log_if_changed()
    return status


def _group(handlers: Handlers) -> str | None:
    return next((handler.group for _, handler in handlers if isinstance(handler, GroupedHandler)), None)


def _gathering(handlers: Handlers) -> Gathering | None:
    return next((handler.gathering for _, handler in handlers if isinstance(handler, UnhurriedHandler)), None)


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _done_before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for `task`, and raise what it raises; return False where `stop` is set before."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        return False
    task.result()
    return True


def _attach(
    app: App, topic: Topic, handler: Handler, settings: Settings, counters: Counters, marks: Marks
) -> BatchLoop:
    loop = BatchLoop(app, topic.name, handler, settings.agent, counters, marks)
    counters.expect(topic.name)
    source = app.topic(topic.name, key_type=bytes, value_type=bytes, acks=True)
    # One stream per topic, never concurrent: a listener's events stay in order, and work is parallel by partition.
    app.agent(source, name=f"{handler.name}.{topic.name}", concurrency=1)(loop.consume)
    return loop


async def _run_until(stop: asyncio.Event, app: App, counters: Counters, on_ready: Callable[[], None]) -> int:
    ready = False
    since_counters_s = 0.0
    while not stop.is_set():
        group = app.consumer.group()
        if group.error is not None:
            end_process(f"the client of the group {group.name} has given up: {group.error}")
        if app.crashed or app.should_stop:
            log.error("%s: Faust stopped: %r", counters.name, app.crash_reason)
            return 1
        # A member without partitions is ready too: it takes over when another one ends.
        if not ready and group.member and not group.rebalancing:
            ready = True
            _settle_garbage_collector()
            on_ready()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.2)
        since_counters_s += 0.2
        if since_counters_s >= COUNTERS_EVERY_S:
            since_counters_s = 0.0
            counters.log_if_changed()
    return 0


def _settle_garbage_collector() -> None:
    """Leave what the start built out of every later collection: a full one over it takes tens of milliseconds."""
    gc.collect()
    gc.freeze()


def _begin_stop(settings: Settings) -> None:
    # From a thread, for everything up to the interpreter's end: Faust waits for its streams through a cancellation, and
    # a rebalance meanwhile closes the client under a commit, which it then tries again for ever.
    end_process_after(settings.agent.stop_deadline_s, asyncio.get_running_loop())


async def _handlers(
    name: str, build: Build, settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack
) -> tuple[Handlers, Marks]:
    deadline_s = settings.agent.start_deadline_s
    health.waits_for = "the servers answer"
    # Before Faust, whose client tries again in silence, and before state that takes long to restore.
    await answered(name, lambda: _ask_kafka(name, settings), deadline_s, health.miss_kafka)
    health.use_kafka()
    health.waits_for = "the servers answer"
    marks = NO_MARKS
    if name in AGENTS and settings.registry.schema_id != "none":
        from musicrec.registry.schema_marks import schema_marks

        def ask() -> Awaitable[Marks]:
            return schema_marks(settings.registry, AGENTS[name].writes, kept_in=settings.data_dir)

        marks = await answered(name, ask, deadline_s, health.miss)
    health.waits_for = "imports"
    await asyncio.to_thread(lambda: [import_module(module) for module in LOADED.get(name, ())])
    health.waits_for = "the servers answer"
    return await build(settings, counters, health, stack), marks


async def _ask_kafka(name: str, settings: Settings) -> None:
    if settings.agent.declare_topics:
        await create_missing_topics(settings.kafka)
    if name in AGENTS:
        await check_access(settings.kafka, AGENTS[name].kafka_rules)


async def _session_handlers(settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack) -> Handlers:
    redis = await _redis(settings, SESSION, health, stack)
    sessions = await _sessions(settings, counters, health, redis, _traces(settings, SESSION, stack))
    await _until_nobody_works_in(consumer_group(SESSION_RANKING.name), settings, health)
    return [(LISTENS, sessions)]


async def _sessions(
    settings: Settings, counters: Counters, health: Health, redis: "RedisClient", traces: Traces
) -> "SessionAgent":
    from streams.session_agent import SessionAgent
    from streams.session_store import SessionStore

    store = SessionStore(redis, settings.session.redis_ttl_ms, counters.redis_call)
    return SessionAgent(store, settings.session, await _origin(settings, health, LISTENS), traces)


async def _session_ranking_handlers(
    settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack
) -> Handlers:
    from streams.listen_ranking import ListenRanking
    from streams.ranking_agent import RequestRanking, SessionRanking
    from streams.taken_over_offsets import take_over_offsets

    redis = await _redis(settings, SESSION_RANKING, health, stack)
    traces = _traces(settings, SESSION_RANKING, stack)
    sessions = await _sessions(settings, counters, health, redis, traces)
    rankers = await _rankers(settings, counters, health, stack, redis, SESSION_RANKING, traces)
    former = {LISTENS: consumer_group(SESSION.name), REQUESTS: consumer_group(RANKING.name)}
    await _until_nobody_works_in(former[LISTENS], settings, health)
    await take_over_offsets(settings.kafka, consumer_group(SESSION_RANKING.name), former)
    return [(LISTENS, ListenRanking(sessions, SessionRanking(rankers))), (REQUESTS, RequestRanking(rankers))]


async def _until_nobody_works_in(group: str, settings: Settings, health: Health) -> None:
    """Wait for those who apply events of the same listeners, and list them or do not."""
    from streams.taken_over_offsets import until_nobody_works_in

    health.waits_for = f"{group} has no more members"
    await until_nobody_works_in(settings.kafka, group)


async def _ranking_handlers(settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack) -> Handlers:
    from streams.ranking_agent import RequestRanking, SessionRanking

    redis = await _redis(settings, RANKING, health, stack)
    rankers = await _rankers(settings, counters, health, stack, redis, RANKING, _traces(settings, RANKING, stack))
    return [(SESSIONS, SessionRanking(rankers)), (REQUESTS, RequestRanking(rankers))]


async def _rankers(
    settings: Settings,
    counters: Counters,
    health: Health,
    stack: AsyncExitStack,
    redis: "RedisClient",
    service: Service,
    traces: Traces,
) -> "Rankers":
    from streams.list_store import ListStore
    from streams.ranking_agent import Rankers
    from streams.ranking_state import RankingState
    from streams.warm_up import compile_kernels

    health.waits_for = "kernels are compiled and the state is restored"
    # Lists are kept by the listens that they answer.
    lists = ListStore(redis, await _origin(settings, health, LISTENS), counters.redis_call)
    stored = await _stored_sessions(settings, counters, redis, service)
    followed = await _origin(settings, health, TRACKS, SESSIONS, EMBEDDINGS)
    _, state = await asyncio.gather(
        asyncio.to_thread(compile_kernels),
        stack.enter_async_context(
            RankingState.following(settings, followed, counters, health.follow, health.assigned_numbers, health.is_busy)
        ),
    )
    counters.show(metrics.INDEX_VECTORS, lambda: len(state.index))
    counters.show(metrics.INDEX_NEWEST, lambda: _seconds(s.newest_ms if (s := state.index.serving) else None))
    counters.show(metrics.SNAPSHOT, lambda: _seconds(state.snapshot_ms))
    counters.expect_followed(SESSIONS.name, TRACKS.name, EMBEDDINGS.name, MODELS.name, RULES.name)
    return Rankers(
        state.variants,
        stored or state.running,
        lists,
        settings.ranking,
        index_version=state.index_version,
        traces=traces,
    )


async def _stored_sessions(
    settings: Settings, counters: Counters, redis: "RedisClient", service: Service
) -> "StoredSessions | None":
    if settings.ranking.learn_from_one_in == 1:
        return None
    from streams.newest_sessions import StoredSessions
    from streams.redis_access import check_redis
    from streams.session_store import SessionStore

    if service.redis_reads is not None:
        await check_redis(redis, service.redis_reads)
    return StoredSessions(SessionStore(redis, settings.session.redis_ttl_ms, counters.redis_call), settings.session)


def _seconds(epoch_ms: int | None) -> float:
    """Return Unix time as a metric has it; NaN for never, from which no age is computed."""
    return epoch_ms / 1000 if epoch_ms else math.nan


async def _outcome_handlers(settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack) -> Handlers:
    from streams.list_store import ListStore
    from streams.outcome_agent import Outcomes

    origin = await _origin(settings, health, LISTENS)
    store = ListStore(await _redis(settings, OUTCOME, health, stack), origin, counters.redis_call)
    return [(SESSIONS, Outcomes(store, _traces(settings, OUTCOME, stack)))]


async def _embedder_handlers(settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack) -> Handlers:
    from embedder.settings import load_embedder_settings
    from streams.embedder_agent import embedder_agent

    own = load_embedder_settings()
    memory = await _memory(settings, own.memory_ttl_ms, EMBEDDER, counters, health, stack)
    traces, took = _traces(settings, EMBEDDER, stack), counters.timer(metrics.EMBED)
    embedder = await stack.enter_async_context(embedder_agent(own, memory, traces=traces, took=took))
    health.allow(embedder.slowest_batch_s)
    return [(TRACKS, embedder)]


async def _re_embedder_handlers(
    settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack
) -> Handlers:
    from embedder.settings import load_embedder_settings
    from streams.re_embedder_agent import re_embedder_agent

    own = load_embedder_settings()
    memory = await _memory(settings, own.memory_ttl_ms, RE_EMBEDDER, counters, health, stack)
    took = counters.timer(metrics.EMBED)
    embedder = await stack.enter_async_context(re_embedder_agent(own, memory, settings.kafka, must_not_fail, took))
    health.allow(embedder.slowest_batch_s)
    counters.show(metrics.RE_EMBEDDING_REMAINING, lambda: math.nan if (n := embedder.remaining) is None else n)
    counters.show(metrics.RE_EMBEDDING_WAITS, lambda: embedder.waits)
    return [(TRACKS, embedder)]


async def _memory(
    settings: Settings, ttl_ms: int, service: Service, counters: Counters, health: Health, stack: AsyncExitStack
) -> "Memory":
    """Return what remembers embedded audio; a server that is away or refuses is no reason not to start."""
    from streams.embedder_agent import NoMemory
    from streams.embedding_memory import EmbeddingMemory
    from streams.redis_access import check_redis
    from streams.redis_connection import connect

    if ttl_ms == 0:
        return NoMemory()
    client = connect(settings.redis)
    stack.push_async_callback(client.aclose)
    try:
        if service.redis is not None:
            await check_redis(client, service.redis)
    except MusicrecError as error:
        log.warning("%s: audio is embedded anew until its memory can be used: %s", service.name, error)
    origin = await _origin(settings, health, EMBEDDINGS)
    failed = counters.memory_failures.inc
    return EmbeddingMemory(client, origin, ttl_ms, failed=failed, timed=counters.redis_call)


def _traces(settings: Settings, service: Service, stack: AsyncExitStack) -> Traces:
    return traces_of(service.name, settings.agent.instance_id, stack)


async def _origin(settings: Settings, health: Health, *topics: Topic) -> str:
    ids = await topic_ids(settings.kafka, *topics)
    health.stand_on(ids)
    return ids.origin


async def _redis(settings: Settings, service: Service, health: Health, stack: AsyncExitStack) -> "RedisClient":
    from streams.redis_access import check_redis
    from streams.redis_connection import connect

    client = connect(settings.redis)
    stack.push_async_callback(client.aclose)
    access = service.redis
    if access is not None:

        def miss(why: str) -> None:
            health.miss(why)
            health.use_redis(client)

        await answered(service.name, lambda: check_redis(client, access), settings.agent.start_deadline_s, miss)
        health.waits_for = "the servers answer"
    health.use_redis(client)
    return client
