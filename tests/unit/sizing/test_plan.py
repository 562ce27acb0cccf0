"""From a load to processes and servers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.sizing.costs import Costs
from musicrec.sizing.plan import Load, Part, plan_for
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, SESSIONS, USER_PARTITIONS

COSTS = Costs(
    events_per_s=300,
    session_cpu_ms=0.6,
    list_cpu_ms=1.2,
    learn_cpu_ms=0.06,
    outcome_cpu_ms=0.3,
    kafka_cpu_ms=1.0,
    redis_cpu_ms=0.06,
    redis_commands=12,
    topic_bytes={LISTENS.name: 300, SESSIONS.name: 900, RECOMMENDATIONS.name: 4_000, OUTCOMES.name: 400},
    redis_bytes_per_listener=2_000,
    ranking_bytes_per_listener=4_000,
)


def parts(load: Load) -> dict[str, Part]:
    return {part.what: part for part in plan_for(load, COSTS).parts}


def test_workers_are_planned_at_their_share_of_a_core() -> None:
    found = parts(Load(5_000, 1_000_000))
    assert found["session workers"].number == math.ceil(5_000 * 0.6 / 600)
    # Of the 600 ms that a worker is planned for, 300 go into learning from everybody; lists take 6,000 ms in all.
    assert found["ranking workers"].number is None
    assert "20 would be needed for 12 partitions" in found["ranking workers"].note
    assert parts(Load(2_000, 1_000_000))["ranking workers"].number == math.ceil(2_400 / 480)


def test_the_bytes_of_a_day_are_kept_as_long_as_the_topics_say() -> None:
    note = parts(Load(1_000, 1_000_000))["Kafka brokers"].note
    disk = (1_200 * 7 + 4_400) * 86_400 * 1_000 * 3 / 2**30
    assert f"{disk:,.0f} GiB on disk" in note


def test_listeners_that_redis_keeps_make_a_cluster_of_it() -> None:
    redis = parts(Load(100, 100_000_000))["Redis servers"]
    nodes = math.ceil(100_000_000 * 2_000 / 2**30 / 16)
    assert (redis.number, f"a cluster of {nodes}" in redis.note) == (2 * nodes, True)


def test_limits_come_lowest_first_and_those_a_load_is_beyond_are_named() -> None:
    plan = plan_for(Load(9_000, 1_000), COSTS)
    assert [limit.events_per_s for limit in plan.limits] == sorted(limit.events_per_s for limit in plan.limits)
    assert plan.limits[0].events_per_s == pytest.approx(600 / (0.06 + 1.2 / USER_PARTITIONS))
    assert plan.passed == plan.limits[:1]


@given(st.floats(1, 1e7), st.floats(1.0, 10))
def test_more_events_never_need_less(events_per_s: float, factor: float) -> None:
    less, more = parts(Load(events_per_s, 1_000)), parts(Load(events_per_s * factor, 1_000))
    for what, part in less.items():
        assert more[what].cores >= part.cores
        assert more[what].number is None or (part.number is not None and more[what].number >= part.number)
