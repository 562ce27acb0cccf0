"""Bounded lists of the newest values per key."""

import pytest

from musicrec.errors import Incompatible
from musicrec.recommend.posting_lists import PostingLists


def test_values_come_back_newest_first() -> None:
    lists = PostingLists(max_length=8)
    for value in (3, 1, 2):
        lists.append(5, value)
    assert lists.newest_first(5) == [2, 1, 3]
    assert lists.newest_first(6) == []


def test_a_full_list_drops_its_oldest_values() -> None:
    lists = PostingLists(max_length=8)
    for value in range(20):
        lists.append(0, value)
    assert lists.newest_first(0) == [19, 18, 17, 16, 15, 14, 13, 12]


def test_lists_that_grow_side_by_side_do_not_mix() -> None:
    lists = PostingLists(max_length=64, keys=50)
    for value in range(40):
        for key in range(50):
            lists.append(key, 1_000 * key + value)
    for key in range(50):
        assert lists.newest_first(key) == [1_000 * key + value for value in reversed(range(40))]


def test_outgrown_blocks_are_used_again() -> None:
    lists = PostingLists(max_length=1_024, keys=100)
    for key in range(100):
        for value in range(1_024):
            lists.append(key, value)
    # 100 lists of 1,024 values; their outgrown halves serve the lists after them.
    assert lists._free[0] < 2 * 100 * 1_024


def test_keys_beyond_the_first_capacity_need_growth_only() -> None:
    lists = PostingLists(max_length=8, keys=2)
    lists.append(1, 7)
    lists.grow(10)
    lists.append(9, 8)
    assert (lists.newest_first(1), lists.newest_first(9)) == ([7], [8])


@pytest.mark.parametrize("length", [0, 3, 12])
def test_a_length_that_is_no_power_of_two_is_refused(length: int) -> None:
    with pytest.raises(Incompatible, match="power of two"):
        PostingLists(max_length=length)


def test_a_value_that_is_taken_out_leaves_the_others_in_their_order() -> None:
    lists = PostingLists(max_length=8)
    for value in (3, 1, 2):
        lists.append(5, value)
    lists.remove(5, 1)
    lists.remove(5, 7)
    lists.append(5, 4)
    assert lists.newest_first(5) == [4, 2, 3]


def test_what_was_dropped_from_a_full_list_does_not_come_back_when_another_is_taken_out() -> None:
    lists = PostingLists(max_length=8)
    for value in range(19):
        lists.append(0, value)
    lists.remove(0, 15)
    assert lists.newest_first(0) == [18, 17, 16, 14, 13, 12, 11]
    for value in (19, 20):
        lists.append(0, value)
    assert lists.newest_first(0) == [20, 19, 18, 17, 16, 14, 13, 12]


def test_a_list_that_is_cleared_begins_anew_in_its_room() -> None:
    lists = PostingLists(max_length=8)
    for value in range(11):
        lists.append(3, value)
    used = int(lists._free[0])
    lists.clear(3)
    assert lists.newest_first(3) == []
    for value in range(8):
        lists.append(3, value)
    assert (lists.newest_first(3), int(lists._free[0])) == ([7, 6, 5, 4, 3, 2, 1, 0], used)
