"""What became of one list, and which changed lists are shown."""

import pytest

from musicrec.contracts import ReasonCode, RecommendedItem, SourceRank
from musicrec.evaluation.change_examples import ChangeExample, ExampleDraw
from musicrec.evaluation.list_change import Change, ListChange, change_between, kind_of, overlap

NO_CHANGE = ListChange((), (), ())


def items(tracks: str) -> list[RecommendedItem]:
    sources = (SourceRank(source="session_knn", rank=2), SourceRank(source="popular", rank=9))
    return [
        RecommendedItem(track_id=track, score=1.0, sources=sources, reason=ReasonCode.SESSIONS_LIKE_THIS)
        for track in tracks
    ]


def test_what_left_what_came_in_and_what_moved_are_told_with_their_places() -> None:
    change = change_between(items("abcd"), items("dbxa"))
    assert [(item.track_id, item.place) for item in change.left] == [("c", 3)]
    assert [(item.track_id, item.place) for item in change.came_in] == [("x", 3)]
    assert change.moved == (("a", 1, 4), ("d", 4, 1))
    assert change.came_in[0].sources == ("session_knn 2", "popular 9")
    assert change.came_in[0].reason == "sessions_like_this_one"


def test_equal_lists_have_no_change() -> None:
    assert change_between(items("abc"), items("abc")) == NO_CHANGE


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [(None, None, Change.OTHER), (1, 20, Change.OTHER), (None, 3, Change.FOUND), (3, None, Change.LOST)],
)
def test_a_change_is_of_the_kind_that_it_did_to_the_next_play(
    first: int | None, second: int | None, kind: Change
) -> None:
    assert kind_of(first, second) is kind


def test_overlap_counts_against_the_longer_list() -> None:
    assert overlap("ab", "abcd") == 0.5
    assert overlap("", "a") == 0.0


def example(number: int) -> ChangeExample:
    return ChangeExample(Change.FOUND, "ann", "s_1", f"e-{number}", "t", None, 1, NO_CHANGE)


def drawn(numbers: range, per_kind: int = 3) -> list[str]:
    draw = ExampleDraw(per_kind)
    for number in numbers:
        if draw.wants(Change.FOUND, f"e-{number}"):
            draw.offer(example(number))
    return [each.answered_event_id for each in draw.examples]


def test_examples_are_the_same_in_every_run_and_not_only_from_the_beginning() -> None:
    found = drawn(range(1_000))
    assert found == drawn(range(1_000))
    assert len(found) == 3
    assert max(int(event.removeprefix("e-")) for event in found) > 100


def test_few_changes_are_all_shown_and_none_where_none_are_wanted() -> None:
    assert drawn(range(2)) == ["e-0", "e-1"]
    assert drawn(range(9), per_kind=0) == []
