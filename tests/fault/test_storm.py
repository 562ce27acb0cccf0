"""Three short storms with fixed seeds, which hold every kind of fault between them; `make storm` runs longer ones."""

from pathlib import Path

import pytest
from storm.one_storm import storm
from storm.schedule import Fault, schedule

pytestmark = [pytest.mark.kafka, pytest.mark.torch, pytest.mark.timeout(600)]

SEEDS = (62, 372, 207)
DURATION_S, PAUSE_S = 60.0, 4.0


def test_the_seeds_hold_every_kind_of_fault_between_them() -> None:
    drawn = {action.fault for seed in SEEDS for action in schedule(seed, DURATION_S, pause_s=PAUSE_S)}

    assert drawn == set(Fault)


@pytest.mark.row(1, 6, 8, 9, 10, 11, 12, 14, 15, 18, 25, 36, 41)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_invariant_holds_through_a_storm(seed: int, tmp_path: Path) -> None:
    result = await storm(seed, DURATION_S, tmp_path / "storm", pause_s=PAUSE_S)

    print(result.last_line())
    assert result.holds, result.markdown()
    assert result.applied > 2_000
    assert result.dead_lettered > 50
