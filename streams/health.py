"""The health of one worker: collects its vitals, has them watched, and serves them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from musicrec.settings import Settings
from streams import metrics
from streams.batch_loop import BatchLoop
from streams.counters import Counters
from streams.faust_app import REBALANCE_TIMEOUT_S, App
from streams.health_server import serving
from streams.liveness import Limits, Liveness, unready
from streams.probes import KafkaProbe, RedisProbe
from streams.topic_ids import TopicIds
from streams.vitals import Followed, Phase, Vitals
from streams.watchdog import Watchdog, end_process

TICK_EVERY_S: Final = 0.5


class Health:
    """Knows of every part of a worker that can fall ill; the composition root tells it of them."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._kafka = KafkaProbe(settings.kafka, lambda: [(p.topic, p.number) for p in self.vitals.partitions])
        self._asks_kafka = False
        self._redis: RedisProbe | None = None
        self._app: App | None = None
        self._loops: Sequence[BatchLoop] = ()
        self._following: Callable[[], tuple[Followed, ...]] = lambda: ()
        self._tasks: list[asyncio.Task[None]] = []
        self._liveness = Liveness(
            Limits(
                still_s=settings.health.still_after_s,
                group_s=REBALANCE_TIMEOUT_S + settings.agent.session_timeout_s,
                progress_s=settings.health.stuck_after_s,
            )
        )
        self.phase = Phase.STARTING
        self.waits_for = "imports"
        """What a starting worker waits for, in words."""
        self.vitals = Vitals(tick=0)
        """At the last tick."""

    def miss(self, why: str) -> None:
        """The start waits for a server that does not answer, for this reason."""
        self.waits_for = why

    def miss_kafka(self, why: str) -> None:
        """The start waits for Kafka."""
        self.miss(why)
        self.use_kafka()

    def use_kafka(self) -> None:
        """Kafka lets the agent in, or is away: ask it from now on; before, each refusal would be said twice."""
        if not self._asks_kafka:
            self._asks_kafka = True
            self._begin(self._kafka.ask_for_ever(), "ask Kafka")

    def stand_on(self, topics: TopicIds) -> None:
        """The agent keeps offsets of these topics; of their successors they would mean nothing."""
        self._kafka.stand_on(topics)

    def use_redis(self, client: Any) -> None:
        """The agent works with this Redis, or waits for it: ask it from now on."""
        if self._redis is None:
            self._redis = RedisProbe(client)
            self._begin(self._redis.ask_for_ever(), "ask Redis")

    def allow(self, slowest_batch_s: float) -> None:
        """A batch of this agent may need so much by its nature, on top of the setting."""
        limits = self._liveness.limits
        self._liveness.limits = replace(limits, progress_s=limits.progress_s + slowest_batch_s)

    def follow(self, following: Callable[[], tuple[Followed, ...]]) -> None:
        """The agent's state follows topics; `following` tells how they get on."""
        self._following = following

    def assigned_numbers(self) -> Set[int] | None:
        """Return the partitions that the worker works on, by number, of any topic; None while that is not settled."""
        vitals, group = self.vitals, self.vitals.group
        if vitals.phase is not Phase.WORKING or group is None or not group.member or group.rebalancing:
            return None
        return frozenset(partition.number for partition in vitals.partitions)

    def is_busy(self) -> bool:
        """Whether messages of the agent's topics wait in the worker."""
        return any(loop.work.waiting for loop in self._loops)

    def join(self, app: App, loops: Sequence[BatchLoop]) -> None:
        """The agent has asked to join its group."""
        self._app, self._loops = app, loops
        self.phase = Phase.WORKING

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Collect, watch and serve within the block.

        Raises:
            Unavailable: the address cannot be listened on.
        """
        settings = self._settings.health
        watchdog = Watchdog(self._liveness, lambda: self.vitals, ends=settings.watchdog)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._counters.registry)
        self._counters.registry.register(self)
        self._begin(self._tick_for_ever(), "vitals")
        try:
            async with serving(settings, self._counters.registry, lambda: self.vitals, lambda: watchdog.reason):
                watchdog.start()
                yield
        finally:
            watchdog.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(must_not_fail)
        self._tasks.append(task)

    async def _tick_for_ever(self) -> None:
        while True:
            self.vitals = self._look()
            await asyncio.sleep(TICK_EVERY_S)

    def _look(self) -> Vitals:
        consumer = self._app.consumer if self._app is not None else None
        return Vitals(
            tick=self.vitals.tick + 1,
            phase=self.phase,
            waits_for=self.waits_for,
            group=consumer.group() if consumer is not None else None,
            work=tuple(loop.work for loop in self._loops),
            partitions=consumer.partitions(self._kafka.ends) if consumer is not None else (),
            following=self._following(),
            made_anew=self._kafka.made_anew,
            kafka_error=self._kafka.error,
            redis_error=self._redis.error if self._redis is not None else None,
        )

    def describe(self) -> list[Metric]:
        """Name nothing: what is collected depends on what the worker is assigned."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the vitals as metrics."""
        vitals = self.vitals
        lag = _gauge(metrics.LAG)
        for partition in vitals.partitions:
            lag.add_metric([partition.topic, str(partition.number)], partition.lag)
        last_fetch = _gauge(metrics.LAST_FETCH)
        fetched: dict[str, int] = {}
        for partition in vitals.partitions:
            if partition.fetched_ms is not None:
                fetched[partition.topic] = min(partition.fetched_ms, fetched.get(partition.topic, partition.fetched_ms))
        for topic, fetched_ms in fetched.items():
            last_fetch.add_metric([topic], fetched_ms / 1000)
        follower_lag = _gauge(metrics.FOLLOWER_LAG)
        for followed in vitals.following:
            if followed.lag is not None:
                follower_lag.add_metric([followed.topic], followed.lag)
        up = _gauge(metrics.SERVER_UP)
        up.add_metric(["kafka"], vitals.kafka_error is None)
        if self._redis is not None:
            up.add_metric(["redis"], vitals.redis_error is None)
        ready = _gauge(metrics.READY)
        ready.add_metric([], not unready(vitals))
        rebalances = CounterMetricFamily(metrics.REBALANCES.name, metrics.REBALANCES.meaning)
        rebalances.add_metric([], vitals.group.rebalances if vitals.group is not None else 0)
        overtaken = CounterMetricFamily(
            metrics.OVERTAKEN.name, metrics.OVERTAKEN.meaning, labels=metrics.OVERTAKEN.labels
        )
        for work in vitals.work:
            overtaken.add_metric([work.topic], work.overtaken)
        yield from (lag, last_fetch, follower_lag, up, ready, rebalances, overtaken)


def _gauge(metric: metrics.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def must_not_fail(task: "asyncio.Task[None]") -> None:
    """End the process where a task has failed without which it works blindly."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(f"the task {task.get_name()!r} failed: {error!r}")
