"""How a listen is classified."""

import pytest

from musicrec.contracts import ListenOutcome
from musicrec.session.listen_outcome import listen_outcome, played_fraction
from musicrec.settings import SessionSettings

RULES = SessionSettings()


@pytest.mark.parametrize(
    ("ms_played", "duration_ms", "skip_pressed", "expected"),
    [
        (180_000, 180_000, False, ListenOutcome.COMPLETED),
        (162_000, 180_000, False, ListenOutcome.COMPLETED),
        (161_999, 180_000, False, ListenOutcome.PARTIAL),
        (30_000, 180_000, False, ListenOutcome.PARTIAL),
        (29_999, 180_000, False, ListenOutcome.SKIPPED_EARLY),
        (20_000, 20_000, False, ListenOutcome.COMPLETED),
        (30_000, None, False, ListenOutcome.COMPLETED),
        (29_999, None, False, ListenOutcome.SKIPPED_EARLY),
        (0, None, True, ListenOutcome.SKIPPED_EARLY),
        (60_000, None, True, ListenOutcome.SKIPPED_LATE),
        (80_000, 180_000, True, ListenOutcome.SKIPPED_EARLY),
        (170_000, 180_000, True, ListenOutcome.SKIPPED_LATE),
    ],
)
def test_outcome_follows_from_time_played(
    ms_played: int, duration_ms: int | None, skip_pressed: bool, expected: ListenOutcome
) -> None:
    assert listen_outcome(ms_played, duration_ms, skip_pressed=skip_pressed, rules=RULES) is expected


def test_fraction_is_unknown_without_a_duration_and_never_above_one() -> None:
    assert played_fraction(1_000, None) is None
    assert played_fraction(90_000, 180_000) == 0.5
    assert played_fraction(200_000, 180_000) == 1.0
