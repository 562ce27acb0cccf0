"""Which partitions a ranking worker learns from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.errors import Incompatible
from musicrec.topics import SESSIONS, TRACKS
from streams.learned_partitions import LearnedPartitions

ALL = frozenset(range(12))


def test_everybody_is_learned_from_unless_a_share_is_set() -> None:
    learned = LearnedPartitions(1, 12, lambda: {3})
    assert learned.choose(SESSIONS.name, ALL) == ALL


def test_a_share_is_every_so_many_th_partition_and_those_that_are_answered() -> None:
    learned = LearnedPartitions(4, 12, lambda: {3, 4})
    assert learned.choose(SESSIONS.name, ALL) == {0, 4, 8, 3}


def test_the_catalogue_is_learned_whole() -> None:
    learned = LearnedPartitions(12, 12, lambda: {3})
    assert learned.choose(TRACKS.name, {0, 1, 2}) == {0, 1, 2}


def test_what_a_snapshot_holds_is_learned_from_until_it_is_known_who_is_answered() -> None:
    answered: set[int] | None = None
    learned = LearnedPartitions(6, 12, lambda: answered)
    learned.go_on_with({0, 1, 6})
    assert learned.choose(SESSIONS.name, ALL) == {0, 1, 6}
    answered = {2}
    assert learned.choose(SESSIONS.name, ALL) == {0, 2, 6}
    answered = None  # partitions are being handed around
    assert learned.choose(SESSIONS.name, ALL) == {0, 2, 6}
    answered = set()  # a member that is assigned nothing
    assert learned.choose(SESSIONS.name, ALL) == {0, 6}


def test_a_share_of_more_partitions_than_there_are_is_refused_with_the_way_out() -> None:
    with pytest.raises(Incompatible) as refused:
        LearnedPartitions(13, 12, lambda: None)
    said = str(refused.value)
    assert "MUSICREC_RANKING__LEARN_FROM_ONE_IN is 13, and musicrec.sessions.v1 has 12 partitions" in said
    assert "set it to 12 at most" in said


@given(st.integers(1, 200).flatmap(lambda count: st.tuples(st.integers(1, count), st.just(count))))
def test_every_worker_has_the_same_share_of_at_least_one_in_so_many(numbers: tuple[int, int]) -> None:
    one_in, partitions = numbers
    whole = frozenset(range(partitions))
    first, second = (LearnedPartitions(one_in, partitions, lambda: None).choose(SESSIONS.name, whole) for _ in "ab")
    assert first == second
    assert 0 <= len(first) - partitions / one_in < 1
