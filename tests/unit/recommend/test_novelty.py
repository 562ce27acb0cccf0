"""The newest tracks: announced ones first, and never more than are kept."""

from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicrec.recommend.novelty import Novelty, few_played
from musicrec.recommend.state import State, joined


@given(st.integers(0, 6), st.lists(st.booleans(), max_size=40), st.integers(0, 12))
def test_they_are_the_last_that_came_and_a_restart_changes_nothing(
    most: int, announced: list[bool], limit: int
) -> None:
    novelty = Novelty(most)
    kept: dict[bool, deque[int]] = {True: deque(maxlen=most), False: deque(maxlen=most)}
    for track, is_announced in enumerate(announced):
        (novelty.announce if is_announced else novelty.first_play)(track)
        kept[is_announced].append(track)
    again = Novelty(most)
    again.restore(State(joined(novelty.state())))
    newest = [*reversed(kept[True]), *reversed(kept[False])]
    expected = [*list(reversed(kept[True]))[:limit], *list(reversed(kept[False]))][:limit]
    for each in (novelty, again):
        assert each.newest(limit).tolist() == expected
        assert each.newest(2 * most).tolist() == newest
        assert each.newest(limit).flags.c_contiguous


def test_what_was_removed_or_is_played_often_is_not_new() -> None:
    flags, plays = np.array([0, 1, 2, 3, 0], np.uint8), np.array([0, 0, 20, 0, 21], np.int64)
    assert few_played(np.array([4, 3, 2, 1, 0], np.int64), flags, plays, 20).tolist() == [2, 0]
