"""A short storm with a fixed seed, which holds every kind of fault; `make storm` runs longer ones."""

from pathlib import Path

import pytest
from storm.one_storm import storm
from storm.schedule import Fault, schedule

pytestmark = [pytest.mark.kafka, pytest.mark.torch, pytest.mark.timeout(900)]

SEED = 271
DURATION_S, PAUSE_S = 140.0, 3.0


def test_the_seed_holds_every_kind_of_fault() -> None:
    assert {action.fault for action in schedule(SEED, DURATION_S, pause_s=PAUSE_S)} == set(Fault)


@pytest.mark.row(1, 6, 8, 9, 10, 11, 12, 14, 15, 18, 25, 36, 41)
async def test_every_invariant_holds_through_a_storm(tmp_path: Path) -> None:
    result = await storm(SEED, DURATION_S, tmp_path / "storm", pause_s=PAUSE_S)

    print(result.last_line())
    assert result.holds, result.markdown()
    assert result.applied > 6_000
    assert result.dead_lettered > 100
