"""The laws of the fuzz targets on inputs that Hypothesis draws; `run.py` beside it finds its own, by the million."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import mutated
from targets import DEEP, MAX_BYTES, ODD_VALUES, TARGETS

some = settings(max_examples=60, deadline=None)
"""Twenty targets share a few seconds."""


@pytest.mark.row(18, 19)
@pytest.mark.parametrize("name", TARGETS)
def test_the_law_holds_for_what_is_valid_deep_long_or_odd(name: str) -> None:
    target = TARGETS[name]

    for data in (*target.seeds, *DEEP, *ODD_VALUES, b""):
        assert len(data) <= MAX_BYTES
        target.check(data)


@pytest.mark.row(18)
@pytest.mark.parametrize("name", TARGETS)
@some
@given(data=st.data(), random=st.randoms(use_true_random=False), rounds=st.integers(1, 4))
def test_the_law_holds_for_what_is_nearly_valid(name: str, data: st.DataObject, random: Random, rounds: int) -> None:
    target = TARGETS[name]
    changed = data.draw(st.sampled_from(target.seeds))
    for _ in range(rounds):
        changed = mutated(changed, ODD_VALUES, random, MAX_BYTES)

    target.check(changed)


@pytest.mark.row(18)
@pytest.mark.parametrize("name", TARGETS)
@some
@given(data=st.data(), junk=st.binary(max_size=8), cut=st.integers(0, 40))
def test_the_law_holds_for_what_is_damaged(name: str, data: st.DataObject, junk: bytes, cut: int) -> None:
    target = TARGETS[name]
    seed = data.draw(st.sampled_from(target.seeds))
    at = data.draw(st.integers(0, len(seed)))

    target.check(seed[:at] + junk + seed[at + cut :])
