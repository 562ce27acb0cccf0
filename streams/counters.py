"""What an agent has done, counted: one object per process, read by /metrics and logged as one line."""

import logging
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from musicrec import __version__
from musicrec.errors import DeadLetterReason
from streams import metrics
from streams.messages import Decision, Incoming
from streams.metrics import EventOutcome, Metric, ModelOutcome

log = logging.getLogger(__name__)

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""From half of the fastest list to the longest wait for a server."""


K = 20
"""Places of a list in which a play counts as foreseen."""
MOST_VARIANTS = 50
OTHERS = "other"
"""Label of those beyond."""

Timed = Callable[[str], AbstractContextManager[Any]]
"""Gives a context that measures the operation of that name."""


def untimed(op: str) -> AbstractContextManager[Any]:
    """Measure nothing."""
    return nullcontext()


class Counters:
    """Counts of one process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.registry = CollectorRegistry()
        self._counted: list[Counter] = []
        self._events = self._counter(metrics.EVENTS)
        self._duplicates = self._counter(metrics.DUPLICATES)
        self._dead_letters = self._counter(metrics.DEAD_LETTERS)
        self._retries = self._counter(metrics.RETRIES)
        self._processing = self._histogram(metrics.PROCESSING)
        self._event_to_list = self._histogram(metrics.EVENT_TO_LIST)
        self._redis_calls = self._histogram(metrics.REDIS_CALLS)
        self._redis_errors = self._counter(metrics.REDIS_ERRORS)
        self.memory_failures = self._counter(metrics.MEMORY_FAILURES)
        self._last_event = self._gauge(metrics.LAST_EVENT)
        self.tell(metrics.BUILD)({"agent": name, "version": __version__, "python": platform.python_version()})
        self.startup = self._gauge(metrics.STARTUP)
        self.startup.set(math.nan)
        self.learned = self._counter(metrics.LEARNED)
        self.unreadable = self._counter(metrics.UNREADABLE)
        self._variant_listens = self._counter(metrics.VARIANT_LISTENS)
        self._variant_hits = self._counter(metrics.VARIANT_HITS)
        self._variant_reciprocal_ranks = self._counter(metrics.VARIANT_RECIPROCAL_RANKS)
        self._variant_skips = self._counter(metrics.VARIANT_SKIPS)
        self._variant_ranking = self._histogram(metrics.VARIANT_RANKING)
        self._variants: set[str] = set()
        self._model_loads = self._counter(metrics.MODEL_LOADS)
        self.rules = self._gauge(metrics.RULES)
        self._logged: dict[str, int] = {}

    def _counter(self, metric: Metric) -> Counter:
        counter = Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)
        self._counted.append(counter)
        return counter

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=BUCKETS_S)

    def expect(self, topic: str) -> None:
        """Show zeros for what may befall a topic: an alert sees a first time only where there was a count before."""
        for reason in DeadLetterReason:
            self._dead_letters.labels(topic, reason.value)
        self._retries.labels(topic)
        # A backlog beyond its time is passed over within seconds: all of it between two looks.
        self._events.labels(topic, EventOutcome.STALE.value)

    def expect_followed(self, *topics: str) -> None:
        """Likewise for topics that are followed, and for what is announced on them."""
        for topic in topics:
            self.unreadable.labels(topic)
        for outcome in ModelOutcome:
            self._model_loads.labels(outcome.value)

    def finished(self, batch: Sequence[Incoming], decision: Decision, now_ms: int) -> None:
        """Count a batch of one topic that is delivered and saved: once, however often it was decided.

        Args:
            batch: its messages.
            decision: what they led to.
            now_ms: epoch milliseconds.
        """
        topic = batch[0].topic
        outcomes = decision.outcomes
        refused = decision.dead_letters()
        for reason, count in refused.items():
            self._dead_letters.labels(topic, reason).inc(count)
        counted = chain(outcomes.items(), [(EventOutcome.DEAD_LETTERED, refused.total())])
        ignored = len(batch) - outcomes.total() - refused.total()
        for outcome, count in chain(counted, [(EventOutcome.IGNORED, ignored)]):
            if count > 0:
                self._events.labels(topic, outcome.value).inc(count)
        if duplicates := outcomes[EventOutcome.DUPLICATE]:
            self._duplicates.labels(topic).inc(duplicates)
        for published_ms in decision.answers_published_ms:
            self._event_to_list.observe(max(0, now_ms - published_ms) / 1000)
        for variant, rank, skipped in decision.followed_up:
            label = self._variant(variant)
            hit = rank is not None and rank <= K
            self._variant_listens.labels(label).inc()
            self._variant_hits.labels(label).inc(hit)
            self._variant_reciprocal_ranks.labels(label).inc(1 / rank if rank is not None and hit else 0.0)
            self._variant_skips.labels(label).inc(skipped)
        for variant, seconds in decision.ranked:
            self._variant_ranking.labels(self._variant(variant)).observe(seconds)
        self._last_event.labels(topic).set(max(message.timestamp_ms for message in batch) / 1000)
        if decision.then is not None:
            self.finished(*decision.then, now_ms)

    def _variant(self, name: str) -> str:
        """Return the label of a variant: an outcome worker sees whatever names lists have had, for months."""
        if len(self._variants) < MOST_VARIANTS:
            self._variants.add(name)
        return name if name in self._variants else OTHERS

    def took(self, topic: str, messages: int, seconds: float) -> None:
        """Count how long a batch took; each of its messages took as long."""
        observe = self._processing.labels(topic).observe
        for _ in range(messages):
            observe(seconds)

    def retried(self, topic: str) -> None:
        """Count that a batch is tried again."""
        self._retries.labels(topic).inc()

    def model(self, outcome: ModelOutcome) -> None:
        """Count what became of an announced model."""
        self._model_loads.labels(outcome.value).inc()

    def tell(self, metric: Metric) -> Callable[[dict[str, str]], None]:
        """Return what sets the labels of a metric that is always 1."""
        info = Info(metric.name.removesuffix("_info"), metric.meaning, registry=self.registry)
        return info.info

    def show(self, metric: Metric, read: Callable[[], float]) -> None:
        """Have a gauge read when it is asked for."""
        self._gauge(metric).set_function(read)

    @contextmanager
    def redis_call(self, op: str) -> Iterator[None]:
        """Measure one round trip to Redis, and count it where it fails."""
        errors = self._redis_errors.labels(op)
        with self._redis_calls.labels(op).time(), errors.count_exceptions():
            yield

    def timer(self, metric: Metric) -> Callable[[float], None]:
        """Return what takes the seconds of a histogram that only some agents have."""
        return self._histogram(metric).observe

    def totals(self) -> dict[str, int]:
        """Return what was counted, over all topics: by outcome or reason, else by what the metric is called."""
        totals: dict[str, int] = {}
        for family in self._counted:
            for sample in chain.from_iterable(metric.samples for metric in family.collect()):
                if sample.value and sample.name.endswith("_total"):
                    name = sample.name.removeprefix("musicrec_").removesuffix("_total")
                    key = sample.labels.get("outcome") or sample.labels.get("reason") or name
                    totals[key] = totals.get(key, 0) + int(sample.value)
        return totals

    def log_if_changed(self) -> None:
        """Log all counts, unless nothing has happened since the last time."""
        totals = self.totals()
        if totals != self._logged:
            self._logged = totals
            log.info("%s: %s", self.name, " ".join(f"{key}={value}" for key, value in sorted(totals.items())))
