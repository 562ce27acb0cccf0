"""How a track was heard, as a number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicrec.sequence.contexts import CONTEXTS, GAPS, UNKNOWN_CONTEXT, context_of, was_skipped

context_of(False, 1)  # compiled before the first example is timed


@given(st.booleans(), st.integers(-(10**6), 10**9))
def test_every_play_has_a_context_that_tells_whether_it_was_skipped(skipped: bool, gap_s: int) -> None:
    context = context_of(skipped, gap_s)
    assert 0 <= context < CONTEXTS
    assert was_skipped(context) == skipped
    assert context % GAPS == context_of(not skipped, gap_s) % GAPS


def test_a_gap_that_is_not_known_adds_nothing_and_each_doubling_is_another_context() -> None:
    assert context_of(False, 0) == context_of(False, -5) == UNKNOWN_CONTEXT
    assert [context_of(False, 2**power) for power in range(12)] == list(range(1, 13))
    assert context_of(False, 255) + 1 == context_of(False, 256)
    assert context_of(False, 5_000) == context_of(False, 10**8) == GAPS - 1


def test_skips_are_told_of_many_plays_at_once() -> None:
    assert was_skipped(np.array([0, GAPS - 1, GAPS, CONTEXTS - 1])).tolist() == [False, False, True, True]
