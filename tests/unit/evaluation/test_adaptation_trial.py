"""Halves of labels, and precision in vectors that never heard them."""

from collections.abc import Sequence

import numpy as np
import pytest

from musicrec.evaluation.adaptation import halves, unheard_precision

LABELS = [label for label in "abcdef" for _ in range(4)]


@pytest.mark.parametrize("seed", range(5))
def test_halves_are_all_clips_and_share_no_label(seed: int) -> None:
    one, other = halves(LABELS, seed)
    assert sorted([*one, *other]) == list(range(len(LABELS)))
    assert not {LABELS[place] for place in one} & {LABELS[place] for place in other}
    assert len(one) == len(other) == 12


def test_a_clip_is_asked_about_in_vectors_that_did_not_hear_its_label() -> None:
    told: list[set[str]] = []

    def adapt(places: Sequence[int]) -> np.ndarray:
        heard = {LABELS[place] for place in places}
        told.append(heard)
        # Perfect for what was heard, worthless for the rest: counted by its own half, it would be found out.
        return np.array([np.eye(7)["abcdef".index(label)] if label in heard else np.eye(7)[6] for label in LABELS])

    figures = unheard_precision(adapt, LABELS, seed=1)
    assert not told[0] & told[1]
    assert figures["whole"] == figures["half"] == 0.0
