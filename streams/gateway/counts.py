"""What the gateway has done, for /metrics, and what every answer carries."""

import platform
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from musicrec import __version__
from streams import metrics
from streams.gateway.gate import allowance_of
from streams.metrics import Metric

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "POST", "DELETE", "OPTIONS", "HEAD"})
OTHER = "other"
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
)


class Counts:
    """Counts of one gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._make(Counter, metrics.GATEWAY_REQUESTS)
        self.seconds = self._make(Histogram, metrics.GATEWAY_SECONDS, buckets=BUCKETS_S)
        self.records = self._make(Counter, metrics.GATEWAY_RECORDS)
        self.streams = self._make(Gauge, metrics.GATEWAY_STREAMS)
        self.cuts = self._make(Counter, metrics.GATEWAY_CUTS)
        self.kafka_up = self._make(Gauge, metrics.SERVER_UP)
        self.ready = self._make(Gauge, metrics.READY)
        build = Info(metrics.BUILD.name.removesuffix("_info"), metrics.BUILD.meaning, registry=self.registry)
        build.info({"agent": "gateway", "version": __version__, "python": platform.python_version()})
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def _make(self, kind: Any, metric: Metric, **more: Any) -> Any:
        return kind(metric.name, metric.meaning, metric.labels, registry=self.registry, **more)


class Counted:
    """Outermost layer of the application: counts requests, by route and never by path, and completes headers."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 0

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_missing(scope, message)]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            route = getattr(scope.get("route"), "path", None) or OTHER
            method = scope.get("method", "GET")
            self._counts.requests.labels(route, method if method in METHODS else OTHER, str(status)).inc()
            if scope["type"] == "http" and not scope.get("state", {}).get("streamed"):
                self._counts.seconds.labels(route).observe(time.perf_counter() - started_s)


def _missing(scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in message.get("headers", ())}
    allowance = allowance_of(scope.get("state", {}))
    limits = allowance.headers() if allowance is not None else {}
    wanted = [*HEADERS, *((name.lower().encode(), value.encode()) for name, value in limits.items())]
    return [(name, value) for name, value in wanted if name not in present]
