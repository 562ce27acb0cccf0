"""Figures of the last minute, in seconds of processing time: counts, and how long lists took."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECONDS: Final = 60
RATE_SECONDS: Final = 10
"""A rate is a mean over so many whole seconds: long enough to be read, short enough to follow."""
_FIRST_MS: Final = 0.5
_STEP: Final = math.log(1.04)
_BINS: Final = 320
"""Bins of 4 % from 0.5 ms to 140 s: percentiles are right within 2 % at a fixed size, whatever the traffic."""


class RollingMinute:
    """A ring of sixty seconds; the caller says what time it is, and never goes back by more than the minute."""

    def __init__(self) -> None:
        self._second = np.full(SECONDS, -1, np.int64)
        self._events = np.zeros(SECONDS, np.int64)
        self._lists = np.zeros(SECONDS, np.int64)
        self._latencies = np.zeros((SECONDS, _BINS), np.int64)

    def count_event(self, now_ms: int) -> None:
        """Count one applied event."""
        row = self._row(now_ms)
        if row is not None:
            self._events[row] += 1

    def count_list(self, now_ms: int, latency_ms: float | None) -> None:
        """Count one list; `latency_ms` is None where it answers no event."""
        row = self._row(now_ms)
        if row is None:
            return
        self._lists[row] += 1
        if latency_ms is not None:
            self._latencies[row, _bin(latency_ms)] += 1

    def events_per_s(self, now_ms: int) -> float:
        """Mean over the last whole seconds."""
        return _mean_rate(self._recent(self._events, now_ms))

    def lists_per_s(self, now_ms: int) -> float:
        """Mean over the last whole seconds."""
        return _mean_rate(self._recent(self._lists, now_ms))

    def latency_ms(self, now_ms: int, quantile: float) -> float | None:
        """Return the quantile over the minute, milliseconds; None where no list answered an event."""
        return _quantile(self._recent(self._latencies, now_ms).sum(axis=0), quantile)

    def events_by_second(self, now_ms: int) -> list[int]:
        """Events of each of the last whole seconds, oldest first."""
        return [int(count) for count in self._recent(self._events, now_ms)]

    def median_latency_by_second(self, now_ms: int) -> list[float | None]:
        """Median latency of each of the last whole seconds, oldest first; None where there was no list."""
        return [_quantile(counts, 0.5) for counts in self._recent(self._latencies, now_ms)]

    def _row(self, now_ms: int) -> int | None:
        second = now_ms // 1000
        row = second % SECONDS
        if self._second[row] > second:
            return None
        if self._second[row] < second:
            self._second[row] = second
            self._events[row] = self._lists[row] = 0
            self._latencies[row] = 0
        return row

    def _recent(self, values: NDArray[np.int64], now_ms: int) -> NDArray[np.int64]:
        """Return the rows of the last whole seconds in order; a second in which nothing came is zero."""
        seconds = now_ms // 1000 - SECONDS + np.arange(SECONDS)
        rows = seconds % SECONDS
        recent = values[rows].copy()
        recent[self._second[rows] != seconds] = 0
        return recent


def _mean_rate(by_second: NDArray[np.int64]) -> float:
    return round(float(by_second[-RATE_SECONDS:].mean()), 1)


def _bin(latency_ms: float) -> int:
    return min(_BINS - 1, max(0, round(math.log(max(latency_ms, _FIRST_MS) / _FIRST_MS) / _STEP)))


def _quantile(counts: NDArray[np.int64], quantile: float) -> float | None:
    """The smallest latency that at least a share `quantile` of the lists did not exceed."""
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if total == 0:
        return None
    index = int(np.searchsorted(cumulative, max(1, math.ceil(quantile * total))))
    value = _FIRST_MS * math.exp(index * _STEP)
    return round(value, 1) if value < 10 else float(round(value))
