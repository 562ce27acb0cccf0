"""A person can read what held, what did not and what went on around it; a program the last line."""

from pathlib import Path
from typing import Any

import pytest
from storm.findings import Findings, Invariant
from storm.report import Result, clock
from storm.schedule import Action, Fault
from storm.stalls import Wait, Window
from storm.workers import End, Held, Slot

AT_MS = 1_790_000_000_000
KILL = Action(0, 3.0, Fault.KAFKA_KILLED, "", 2.0, 1)


def result(folder: Path, findings: Findings, **fields: Any) -> Result:
    slot = Slot("session", "session-1", folder, {})
    slot.samples = [Held(AT_MS + n, 40.0 + n, 100.0 + n, 20) for n in range(10)]
    values: dict[str, Any] = {
        "seed": 7,
        "duration_s": 60.0,
        "actions": [KILL],
        "windows": [Window(KILL.fault, AT_MS, AT_MS + 4_000, "session-1")],
        "events": 10,
        "applied": 8,
        "dead_lettered": 2,
        "duplicates": 0,
        "emitted_again": 3,
        "published_again": 1,
        "drained_in_s": 2.0,
        "redis_keys": 5,
        "longest_ms": {"kafka_killed": 4_200},
        "worst": [Wait(AT_MS, AT_MS + 4_200, "event-1")],
        "findings": findings,
        "ends": [End("session-1", 70, AT_MS, False, "gave up after 30 s")],
        "slots": [slot],
        "logs": [],
    }
    return Result(**(values | fields))


def test_a_storm_in_which_all_held_says_so_and_counts(tmp_path: Path) -> None:
    good = result(tmp_path, Findings())

    assert good.holds
    assert good.last_line() == (
        "events=10 applied=8 dead_lettered=2 lost=0 twice=0 differing_lists=0 longest_stall_s=4.2"
    )
    text = good.markdown()
    assert "all held" in text
    assert "| kafka_killed | 1 | 4.2 |" in text
    assert "| session | 70 | no | 1 | gave up after 30 s |" in text
    assert "| session | 100 | 108 | 109 | 20 |" in text
    assert f"| {clock(AT_MS)} | 4.0 | kafka_killed | session-1 |" in text


def test_a_violation_stands_with_its_place_the_faults_and_the_log_lines_around(tmp_path: Path) -> None:
    log = tmp_path / "session-1.001.log"
    log.write_text(
        f"2020-01-01 00:00:00,000 INFO long before\n"
        f"{clock(AT_MS, day=True)} WARNING streams.batch_loop session: Kafka is away\n"
    )
    findings = Findings()
    findings.add(Invariant.NOTHING_LOST, "event-1 was not applied", "musicrec.listens.v1[3]@17", AT_MS)
    bad = result(tmp_path, findings, logs=[log])

    assert not bad.holds
    assert "lost=1 twice=0" in bad.last_line()
    text = bad.markdown()
    assert "event-1 was not applied (musicrec.listens.v1[3]@17)" in text
    assert "faults then or just before: kafka_killed" in text
    assert "session-1.001: " in text
    assert "Kafka is away" in text
    assert "long before" not in text


@pytest.mark.parametrize(
    ("status", "wanted", "calm", "good"),
    [
        (-9, True, False, True),  # killed by the storm
        (-9, False, False, False),  # killed, and not by the storm
        (70, False, False, True),  # a deadline
        (2, False, False, True),  # refused at the start
        (1, False, False, False),  # a traceback
        (0, False, False, False),  # nobody told it to stop
        (0, True, True, True),
        (70, True, True, False),  # no clean stop, with nothing that hinders it
        (-9, True, True, False),  # did not stop in time
    ],
)
def test_how_a_worker_may_end_depends_on_who_ended_it_and_when(
    status: int, wanted: bool, calm: bool, good: bool
) -> None:
    assert End("session-1", status, AT_MS, wanted, "", calm).is_as_it_should_be == good
