"""Allowances: how many requests, how soon again, and how many keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.rate_limits import RateLimits, address_key


def test_a_full_allowance_is_let_in_at_once_and_then_one_per_interval() -> None:
    limits = RateLimits()
    stands = [limits.take("ada", 60, 0.0) for _ in range(60)]
    assert [each.remaining for each in stands] == list(range(59, -1, -1))
    assert all(each.retry_after_s is None for each in stands)

    refused = limits.take("ada", 60, 0.5)
    assert (refused.retry_after_s, refused.remaining) == (1, 0)
    assert limits.take("ada", 60, 1.0).retry_after_s is None
    assert limits.take("ada", 60, 1.5).retry_after_s == 1


def test_who_waits_as_long_as_told_is_let_in() -> None:
    limits = RateLimits()
    for _ in range(7):
        limits.take("ada", 7, 100.0)
    refused = limits.take("ada", 7, 103.0)
    assert refused.retry_after_s is not None
    assert limits.take("ada", 7, 103.0 + refused.retry_after_s).retry_after_s is None


def test_a_refused_request_costs_nothing_and_others_have_their_own_allowance() -> None:
    limits = RateLimits()
    limits.take("ada", 1, 0.0)
    for second in range(59):
        assert limits.take("ada", 1, second).retry_after_s is not None
    assert limits.take("bob", 1, 59.0).retry_after_s is None
    assert limits.take("ada", 1, 60.0).retry_after_s is None


def test_many_records_count_as_several_requests_and_at_most_as_a_whole_allowance() -> None:
    limits = RateLimits()
    assert limits.take("ada", 60, 0.0, cost=19).remaining == 41
    assert limits.take("bob", 10, 0.0, cost=19).remaining == 0


def test_with_one_key_more_the_one_that_was_silent_longest_goes() -> None:
    limits = RateLimits(most_keys=2)
    for key in ("ada", "bob", "cyd"):
        limits.take(key, 2, 0.0)
    assert limits.take("bob", 2, 0.0).remaining == 0
    assert limits.take("ada", 2, 0.0).remaining == 1


@given(st.lists(st.floats(0, 30, allow_nan=False), max_size=200), st.integers(1, 40))
def test_nobody_gets_more_than_two_allowances_in_any_minute(pauses: list[float], per_minute: int) -> None:
    limits, now_s, let_in = RateLimits(), 0.0, []
    for pause in pauses:
        now_s += pause
        if limits.take("ada", per_minute, now_s).retry_after_s is None:
            let_in.append(now_s)
    for begin in let_in:
        assert sum(begin <= each < begin + 60 for each in let_in) <= 2 * per_minute


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("no address", "no address", True),
    ],
)
def test_neighbours_in_one_ipv6_network_share_an_allowance(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) == same
