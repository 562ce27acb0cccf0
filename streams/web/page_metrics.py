"""What the page tells Prometheus: the lag of every agent's group, which no worker can tell once it is gone."""

import platform
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric

from musicrec import __version__
from streams import metrics
from streams.web.board import Board
from streams.web.broker_survey import READ_BY


class PageMetrics:
    """Reads the board when it is asked."""

    def __init__(self, board: Board, is_ready: Callable[[], bool], streams: Callable[[], int]) -> None:
        """Make it.

        Args:
            board: knows the lag, and whether the broker answers.
            is_ready: what `/readyz` says.
            streams: pages that are open.
        """
        self._board = board
        self._is_ready = is_ready
        self._streams = streams

    def registry(self) -> CollectorRegistry:
        """Return a registry with these metrics and those of the process."""
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        registry.register(self)
        return registry

    def describe(self) -> list[Metric]:
        """Name nothing: what is collected depends on what the broker tells."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the page's metrics."""
        lag = _gauge(metrics.GROUP_LAG)
        if self._board.broker is not None and not self._board.kafka_away:  # an old figure is none
            for agent in READ_BY:
                for (topic, partition), behind in (self._board.broker.lag_of(agent) or {}).items():
                    lag.add_metric([agent, topic, str(partition)], behind)
        up = _gauge(metrics.SERVER_UP)
        up.add_metric(["kafka"], not self._board.kafka_away)
        ready = _gauge(metrics.READY)
        ready.add_metric([], self._is_ready())
        streams = _gauge(metrics.PAGE_STREAMS)
        streams.add_metric([], self._streams())
        about = {"agent": "web", "version": __version__, "python": platform.python_version()}
        build = InfoMetricFamily(metrics.BUILD.name.removesuffix("_info"), metrics.BUILD.meaning, value=about)
        yield from (lag, up, ready, streams, build)


def _gauge(metric: metrics.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
