"""Intervals of a difference, drawn over listeners."""

import pytest

from musicrec.evaluation.confidence import intervals
from musicrec.evaluation.metrics import HitCounter


def hits(*counts: int) -> dict[int, HitCounter]:
    """Ten cases a listener, all hits at rank 2."""
    return {unit: HitCounter(cases=10, hits=count, reciprocal_ranks=count / 2) for unit, count in enumerate(counts)}


def test_a_model_is_not_above_itself() -> None:
    ours = hits(3, 8, 1, 5)
    assert intervals(ours, ours) == {"hr@20": [0.0, 0.0], "mrr@20": [0.0, 0.0]}


def test_an_advantage_with_one_listener_alone_is_not_certain() -> None:
    low, high = intervals(hits(9, 1, 1, 1), hits(1, 1, 1, 1))["hr@20"]
    assert low == 0.0  # drawn without that listener, nothing is left of it
    assert 0.2 < high <= 0.8


def test_the_interval_holds_the_difference_and_narrows_with_listeners() -> None:
    few, many = hits(*[6, 4] * 5), hits(*[6, 4] * 500)
    behind_few, behind_many = hits(*[4, 3] * 5), hits(*[4, 3] * 500)
    for ours, theirs, width in ((few, behind_few, 0.1), (many, behind_many, 0.01)):
        low, high = intervals(ours, theirs)["hr@20"]
        assert low <= 0.15 <= high
        assert high - low < width
    assert intervals(many, behind_many)["mrr@20"] == pytest.approx([0.075, 0.075], abs=0.003)


def test_without_cases_there_is_no_difference() -> None:
    assert intervals({}, {}) == {"hr@20": [0.0, 0.0], "mrr@20": [0.0, 0.0]}
