"""Composition root of the agents: one process, one agent, everything built here and passed in."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from musicrec.errors import Unavailable
from musicrec.settings import KafkaSettings, Settings
from musicrec.topics import LISTENS, RECOMMENDATIONS, REQUESTS, SESSIONS, TRACKS, Topic
from streams.batch_loop import EXIT_STATUS, BatchLoop, Handler
from streams.counters import Counters
from streams.faust_app import App, new_app
from streams.topic_admin import create_missing_topics

log = logging.getLogger(__name__)

COUNTERS_EVERY_S = 10.0
GC_THRESHOLDS = (50_000, 20, 100)
"""Records have no cycles, reference counts free them; a collection is for the rare rest, not for every 700 objects."""
STOP_DEADLINE_S = 30.0
"""Longest clean stop: beyond it the process ends hard, and what was not acknowledged comes again."""


class Agent(StrEnum):
    """The agents."""

    SESSION = "session"
    RANKING = "ranking"
    OUTCOME = "outcome"
    EMBEDDER = "embedder"


Handlers = list[tuple[Topic, Handler]]


async def run_worker(agent: Agent, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run one agent until SIGTERM or SIGINT; return the exit status.

    A worker is ready when its state is restored and its group has given it partitions.

    Raises:
        Unavailable: Kafka or Redis cannot be reached at the start.
        Incompatible: settings or topics do not fit.
    """
    stop = _stop_on_signal()
    gc.set_threshold(*GC_THRESHOLDS)
    if settings.agent.declare_topics:
        await create_missing_topics(settings.kafka)
    counters = Counters(agent.value)
    async with AsyncExitStack() as stack:
        # State can take long to restore; a worker that is told to stop meanwhile has nothing in flight.
        starting = asyncio.create_task(stack.enter_async_context(_handlers(agent, settings, counters)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 0
        app = new_app(agent.value, settings.kafka, settings.agent, settings.data_dir)
        loops = [_attach(app, topic, handler, settings, counters) for topic, handler in await starting]
        await app.start()
        status = await _run_until(stop, app, counters, on_ready)
        await _stop_cleanly(app, loops)
    counters.log_if_changed()
    return status


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _attach(app: App, topic: Topic, handler: Handler, settings: Settings, counters: Counters) -> BatchLoop:
    loop = BatchLoop(app, handler, settings.agent, counters)
    source = app.topic(topic.name, key_type=bytes, value_type=bytes, acks=True)
    # One stream per topic, never concurrent: a listener's events stay in order, and work is parallel by partition.
    app.agent(source, name=f"{handler.name}.{topic.name}", concurrency=1)(loop.consume)
    return loop


async def _run_until(stop: asyncio.Event, app: App, counters: Counters, on_ready: Callable[[], None]) -> int:
    ready = False
    since_counters_s = 0.0
    while not stop.is_set():
        if app.crashed or app.should_stop:
            log.error("%s: Faust stopped: %r", counters.name, app.crash_reason)
            return 1
        if not ready and not app.rebalancing and app.consumer is not None and app.consumer.assignment():
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


async def _stop_cleanly(app: App, loops: list[BatchLoop]) -> None:
    """Let Faust wait for what is in flight, commit and leave; the loops work on meanwhile."""
    try:
        await asyncio.wait_for(app.stop(), STOP_DEADLINE_S)
    except TimeoutError:
        log.error("no clean stop within %g s", STOP_DEADLINE_S)
        logging.shutdown()
        os._exit(EXIT_STATUS)
    for loop in loops:
        await loop.close()


@asynccontextmanager
async def _handlers(agent: Agent, settings: Settings, counters: Counters) -> AsyncIterator[Handlers]:
    build: dict[Agent, Callable[[Settings, Counters, AsyncExitStack], Awaitable[Handlers]]] = {
        Agent.SESSION: _session_handlers,
        Agent.RANKING: _ranking_handlers,
        Agent.OUTCOME: _outcome_handlers,
        Agent.EMBEDDER: _embedder_handlers,
    }
    async with AsyncExitStack() as stack:
        yield await build[agent](settings, counters, stack)


async def _session_handlers(settings: Settings, counters: Counters, stack: AsyncExitStack) -> Handlers:
    from streams.session_agent import SessionAgent
    from streams.session_store import SessionStore

    store = SessionStore(await _redis(settings, stack), settings.session.redis_ttl_ms)
    origin = await _cluster_id(settings.kafka)
    return [(LISTENS, SessionAgent(store, settings.session, counters, origin))]


async def _ranking_handlers(settings: Settings, counters: Counters, stack: AsyncExitStack) -> Handlers:
    from streams.ranking_agent import Rankers, RequestRanking, SessionRanking
    from streams.ranking_state import RankingState
    from streams.warm_up import compile_kernels

    cluster = await _cluster_id(settings.kafka)
    _, state = await asyncio.gather(
        asyncio.to_thread(compile_kernels),
        stack.enter_async_context(RankingState.following(settings, cluster, counters)),
    )
    rankers = Rankers(
        state.recommender,
        state.running,
        settings.ranking,
        counters,
        model_version=state.recommender.settings.version(),
        index_version=state.index_version,
    )
    return [(SESSIONS, SessionRanking(rankers)), (REQUESTS, RequestRanking(rankers))]


async def _outcome_handlers(settings: Settings, counters: Counters, stack: AsyncExitStack) -> Handlers:
    from streams.list_store import ListStore
    from streams.outcome_agent import Outcomes, ShownLists
    from streams.topic_ends import TopicEnds

    store = ListStore(await _redis(settings, stack))
    ends = await stack.enter_async_context(TopicEnds(settings.kafka, RECOMMENDATIONS))
    return [(RECOMMENDATIONS, ShownLists(store, counters)), (SESSIONS, Outcomes(store, ends.of, counters))]


async def _embedder_handlers(settings: Settings, counters: Counters, stack: AsyncExitStack) -> Handlers:
    from streams.embedder_agent import embedder_agent

    return [(TRACKS, await stack.enter_async_context(embedder_agent(counters)))]


async def _redis(settings: Settings, stack: AsyncExitStack) -> Any:
    from redis.exceptions import RedisError

    from streams.session_store import connect

    client = connect(settings.redis)
    stack.push_async_callback(client.aclose)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis does not answer: {error}; set MUSICREC_REDIS__URL or start it") from error
    return client


async def _cluster_id(kafka: KafkaSettings) -> str:
    client = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await client.start()
        return str((await client.describe_cluster())["cluster_id"])
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
    finally:
        await client.close()
