"""A schedule is a function of its seed, holds every kind of fault, and can be cut down to what fails."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from storm.schedule import KINDS, RECOVERY_S, Action, Fault, read, schedule, write
from storm.shrinking import shrink


def test_the_same_seed_gives_the_same_schedule_and_a_longer_one_begins_with_it() -> None:
    assert schedule(7, 600) == schedule(7, 600) != schedule(8, 600)
    assert schedule(7, 3_600)[: len(schedule(7, 600))] == schedule(7, 600)


def test_no_kind_of_fault_is_missing() -> None:
    assert {action.fault for action in schedule(1, 900)} == set(Fault)


@pytest.mark.parametrize("server", ["kafka", "redis"])
def test_nothing_befalls_a_server_before_it_has_recovered(server: str) -> None:
    held = [action for action in schedule(3, 3_600) if KINDS[action.fault].holds == server]
    for before, after in pairwise(held):
        assert after.at_s >= before.at_s + before.lasts_s + RECOVERY_S - 0.1


def test_a_schedule_can_be_written_and_read(tmp_path: Path) -> None:
    actions = schedule(5, 300)
    write(actions, tmp_path / "new" / "schedule.jsonl")

    assert read(tmp_path / "new" / "schedule.jsonl") == actions


async def test_a_failing_schedule_shrinks_to_the_faults_that_make_it_fail() -> None:
    actions = schedule(2, 600)
    guilty = {actions[11], actions[40], actions[41]}
    tried = 0

    async def fails(some: Sequence[Action]) -> bool:
        nonlocal tried
        tried += 1
        return guilty <= set(some)

    assert set(await shrink(actions, fails)) == guilty
    assert tried < 100
