"""From a load to processes and servers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.sizing.costs import Costs
from musicrec.sizing.plan import Load, Part, learned_share, plan_for
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, SESSIONS, USER_PARTITIONS

COSTS = Costs(
    events_per_s=300,
    session_cpu_ms=0.6,
    list_cpu_ms=1.2,
    session_ranking_cpu_ms=1.5,
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
    found = parts(Load(5_000, 1_000_000, learn_from_one_in=1))
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
    plan = plan_for(Load(9_000, 1_000, learn_from_one_in=1), COSTS)
    assert [limit.events_per_s for limit in plan.limits] == sorted(limit.events_per_s for limit in plan.limits)
    assert plan.limits[0].events_per_s == pytest.approx(600 / (0.06 + 1.2 / USER_PARTITIONS))
    assert plan.passed == plan.limits[:2]
    assert "LEARN_FROM_ONE_IN" in plan.limits[0].way_out
    assert "more partitions" in plan.limits[1].way_out


def test_a_share_takes_learning_off_each_worker_but_for_its_own_listeners() -> None:
    one_in = 4
    found = parts(Load(5_000, 1_000_000, learn_from_one_in=one_in))["ranking workers"]
    # Of 600 ms, 75 go into what all learn from; 6,000 go into lists and 225 into what each learns from its own.
    assert found.number == math.ceil((6_000 + 225) / (600 - 75)) == 12
    assert "31% of each" not in found.note
    assert (
        f"{5_000 * 0.06 * learned_share(one_in, 12) / 600:.0%} of each learns from one in 4 and its own" in found.note
    )


def test_the_largest_share_is_taken_with_which_the_load_fits_and_half_of_a_worker_is_left_to_lists() -> None:
    assert plan_for(Load(1_000, 1_000), COSTS).learn_from_one_in == 1
    assert plan_for(Load(4_000, 1_000), COSTS).learn_from_one_in == 2  # with 1, 14 workers for 12 partitions
    plan = plan_for(Load(10_000, 1_000, partitions=96), COSTS)
    assert plan.learn_from_one_in == 2
    assert plan_for(Load(12_000, 1_000, partitions=96), COSTS).learn_from_one_in == 3  # 360 of 600 ms with 2
    assert parts(Load(10_000, 1_000, partitions=96))["ranking workers"].number is not None
    before = plan_for(Load(10_000, 1_000, partitions=96, learn_from_one_in=1), COSTS)
    assert before.parts[1].number is None


def test_a_load_that_no_share_is_enough_for_needs_more_partitions() -> None:
    plan = plan_for(Load(50_000, 1_000), COSTS)
    assert (plan.learn_from_one_in, plan.parts[1].number) == (USER_PARTITIONS, None)
    assert all("more partitions" in limit.way_out for limit in plan.passed)


def test_sessions_and_lists_in_one_worker_are_planned_by_what_that_costs() -> None:
    plan = plan_for(Load(2_000, 1_000_000, in_one=True), COSTS)
    workers = plan.parts[0]
    assert (workers.what, workers.number) == ("session-ranking workers", math.ceil(2_000 * 1.5 / 480))
    assert [part.what for part in plan.parts[1:]] == ["outcome workers", "Redis servers", "Kafka brokers"]
    assert all("session workers" not in limit.stage and "12 ranking" not in limit.stage for limit in plan.limits)
    assert plan.limits[0].events_per_s == pytest.approx(600 / (0.06 + 1.5 / USER_PARTITIONS))


@given(st.floats(1, 1e7), st.floats(1.0, 10), st.integers(1, USER_PARTITIONS))
def test_more_events_never_need_less(events_per_s: float, factor: float, one_in: int) -> None:
    less, more = (parts(Load(rate, 1_000, learn_from_one_in=one_in)) for rate in (events_per_s, events_per_s * factor))
    for what, part in less.items():
        assert more[what].cores >= part.cores
        assert more[what].number is None or (part.number is not None and more[what].number >= part.number)
