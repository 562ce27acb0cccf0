"""Whose turn it is of two groups that read one topic: by literal offsets."""

from dataclasses import replace

import pytest

from streams.messages import Incoming
from streams.precedence import Standing

STANDING = Standing(
    "musicrec-embedder",
    beginnings={0: 0, 1: 40},
    ends={0: 100, 1: 50},
    first={0: 100, 1: 50},
    second={0: 30, 1: 0},
)


def messages(*offsets: int, partition: int = 0) -> list[Incoming]:
    return [Incoming("tracks", partition, offset, 0, b"t", b"", []) for offset in offsets]


def test_what_the_first_group_has_committed_may_go_while_it_is_not_behind() -> None:
    assert STANDING.backlog == 0
    assert STANDING.waits_for(messages(30, 99), 16) is None
    assert STANDING.waits_for(messages(49, partition=1), 16) is None


def test_a_backlog_of_the_first_group_goes_first_but_not_what_it_is_at_work_on() -> None:
    behind = replace(STANDING, first={0: 90, 1: 43})
    assert behind.backlog == 17
    assert behind.waits_for(messages(30), 17) is None
    assert behind.waits_for(messages(30), 16) == "the group musicrec-embedder is 17 messages behind"


def test_a_message_that_the_first_group_has_not_committed_waits_whoever_hurries() -> None:
    behind = replace(STANDING, first={0: 90, 1: 50})
    why = "the group musicrec-embedder has still to finish tracks[0]@90"
    assert behind.waits_for(messages(89, 90), 16) == why
    assert behind.waits_for(messages(89, 90), 5, hurried=True) == why
    assert behind.waits_for(messages(89), 5, hurried=True) is None
    assert STANDING.waits_for(messages(50, partition=1), 16) is not None, "published after the broker was asked"
    assert STANDING.waits_for(messages(0, partition=2), 16) is not None, "of a partition that was added"


@pytest.mark.parametrize("first", [{}, {0: 0, 1: 0}])
def test_nothing_goes_before_the_first_group_has_begun(first: dict[int, int]) -> None:
    why = "the group musicrec-embedder has committed nothing yet"
    assert replace(STANDING, first=first).waits_for(messages(0), 1_000, hurried=True) == why


def test_remaining_counts_what_is_there_and_not_what_retention_has_removed() -> None:
    assert STANDING.remaining({0: 100, 1: 50}) == 70 + 10
    assert replace(STANDING, second={0: 100, 1: 50}).remaining({0: 100, 1: 50}) == 0
    assert replace(STANDING, second={0: 120, 1: 60}, ends={0: 130, 1: 60}).remaining({0: 100, 1: 50}) == 0
