"""Figures of the last minute."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.web.rolling_minute import RATE_SECONDS, SECONDS, RollingMinute

NOW_MS = 1_790_000_000_000


def test_a_rate_is_the_mean_of_the_last_whole_seconds() -> None:
    minute = RollingMinute()
    for _ in range(30):
        minute.count_event(NOW_MS)
    assert minute.events_per_s(NOW_MS) == 0.0
    assert minute.events_per_s(NOW_MS + 1_000) == 30 / RATE_SECONDS
    assert minute.events_per_s(NOW_MS + 1_000 * (RATE_SECONDS + 1)) == 0.0


def test_after_a_minute_nothing_is_left() -> None:
    minute = RollingMinute()
    minute.count_list(NOW_MS, 5.0)
    assert minute.latency_ms(NOW_MS + SECONDS * 1_000, 0.5) is not None
    assert minute.latency_ms(NOW_MS + (SECONDS + 1) * 1_000, 0.5) is None
    assert minute.median_latency_by_second(NOW_MS + (SECONDS + 1) * 1_000) == [None] * SECONDS


def test_seconds_stand_in_order_oldest_first() -> None:
    minute = RollingMinute()
    for second in range(200):
        for _ in range(second):
            minute.count_event(NOW_MS + 1_000 * second)
    assert minute.events_by_second(NOW_MS + 200_000) == list(range(200 - SECONDS, 200))


def test_a_list_without_an_event_counts_without_a_latency() -> None:
    minute = RollingMinute()
    minute.count_list(NOW_MS, None)
    assert minute.lists_per_s(NOW_MS + 1_000) == 1 / RATE_SECONDS
    assert minute.latency_ms(NOW_MS + 1_000, 0.5) is None


@pytest.mark.row(17)
def test_a_clock_that_went_back_by_more_than_the_minute_is_not_counted() -> None:
    minute = RollingMinute()
    minute.count_event(NOW_MS)
    minute.count_event(NOW_MS - SECONDS * 1_000)
    assert sum(minute.events_by_second(NOW_MS + 1_000)) == 1


@given(st.lists(st.floats(1.0, 100_000.0), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_the_sorted_lists_within_the_width_of_a_bin(latencies_ms: list[float], quantile: float) -> None:
    minute = RollingMinute()
    for latency_ms in latencies_ms:
        minute.count_list(NOW_MS, latency_ms)
    expected = sorted(latencies_ms)[math.ceil(quantile * len(latencies_ms)) - 1]
    assert minute.latency_ms(NOW_MS + 1_000, quantile) == pytest.approx(expected, rel=0.04, abs=0.5)
