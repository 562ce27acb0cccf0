"""Lines of a library, seldom."""

import logging

import pytest

from streams.seldom import MAX_KINDS, Seldom


def line(name: str, message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None)


@pytest.mark.row(1)
def test_line_of_one_kind_passes_once_per_period_and_says_how_many_were_held_back() -> None:
    now_s = 100.0
    seldom = Seldom(["aiokafka"], every_s=10.0, now_s=lambda: now_s)
    assert seldom.filter(line("aiokafka.client", "no connection to node %s", 1))
    for _ in range(99):
        assert not seldom.filter(line("aiokafka.client", "no connection to node %s", 2))
    assert seldom.filter(line("aiokafka.client", "another matter"))
    now_s = 110.0
    again = line("aiokafka.client", "no connection to node %s", 3)
    assert seldom.filter(again)
    assert again.getMessage() == "no connection to node 3 (99 more since the last such line)"


def test_our_own_lines_all_pass() -> None:
    seldom = Seldom(["aiokafka"], now_s=lambda: 0.0)
    assert all(seldom.filter(line("streams.batch_loop", "the same")) for _ in range(10))


def test_memory_is_bounded_though_each_line_is_of_its_own_kind() -> None:
    seldom = Seldom(["aiokafka"], now_s=lambda: 0.0)
    for number in range(10 * MAX_KINDS):
        assert seldom.filter(line("aiokafka", f"line {number}"))
    assert len(seldom._passed_s) <= MAX_KINDS
