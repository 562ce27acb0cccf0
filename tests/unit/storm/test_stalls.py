"""A wait is laid to the fault that explains it, and to nobody where several do."""

from storm.schedule import Fault
from storm.stalls import CALM, SEVERAL, Wait, Window, longest_by_fault, worst

KILLED = Window(Fault.KAFKA_KILLED, 100_000, 105_000)
SLOW = Window(Fault.REDIS_SLOW, 200_000, 210_000)
CUT = Window(Fault.KAFKA_CUT, 208_000, 220_000)


def test_a_wait_is_laid_to_the_one_fault_that_was_on() -> None:
    waits = [Wait(99_000, 101_000, "a"), Wait(104_000, 108_000, "b"), Wait(201_000, 202_000, "c")]

    assert longest_by_fault(waits, [KILLED, SLOW]) == {"kafka_killed": 4_000, "redis_slow": 1_000}


def test_a_wait_just_after_a_fault_is_laid_to_it_and_a_later_one_to_nothing() -> None:
    waits = [Wait(110_000, 111_000, "a"), Wait(150_000, 153_000, "b")]

    assert longest_by_fault(waits, [KILLED]) == {"kafka_killed": 1_000, CALM: 3_000}


def test_a_wait_that_saw_two_kinds_is_laid_to_neither() -> None:
    assert longest_by_fault([Wait(209_000, 211_000, "a")], [SLOW, CUT]) == {SEVERAL: 2_000}


def test_a_short_wait_needs_no_cause() -> None:
    assert longest_by_fault([Wait(209_000, 209_020, "a")], [SLOW, CUT]) == {CALM: 20}


def test_the_worst_waits_are_one_of_each_stall() -> None:
    waits = [Wait(n, 9_000, str(n)) for n in range(100)] + [Wait(50_000, 53_000, "other")]

    assert [wait.event_id for wait in worst(waits)] == ["0", "other"]
