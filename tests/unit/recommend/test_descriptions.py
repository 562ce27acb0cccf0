"""Terms of tracks and tracks of terms, as the catalogue says them now."""

import math

import numpy as np
import pytest

from musicrec.recommend.description_terms import MOST_TERMS, Term, TermKind
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.state import State, joined


def tags(words: str) -> tuple[Term, ...]:
    return tuple(Term(TermKind.TAG, word) for word in words.split())


def described(*words: str, max_terms: int = 100, tracks_per_term: int = 8) -> Descriptions:
    """Return descriptions of tracks 0, 1, 2 …"""
    descriptions = Descriptions(max_terms, tracks_per_term)
    for track, of_track in enumerate(words):
        descriptions.describe(track, tags(of_track))
    return descriptions


def tracks_of(descriptions: Descriptions, word: str) -> list[int]:
    """Return the tracks kept of a tag, the newest first."""
    digest = Term(TermKind.TAG, word).digest
    found = np.flatnonzero(descriptions.digests[: descriptions.terms] == digest)
    return descriptions.tracks_of.newest_first(int(found[0])) if len(found) else []


def count_of(descriptions: Descriptions, word: str) -> int:
    return int(descriptions.tracks[descriptions.digests == Term(TermKind.TAG, word).digest].sum())


def test_each_term_knows_its_tracks_and_how_many_they_are() -> None:
    descriptions = described("jazz cool", "jazz", "rock")
    assert (tracks_of(descriptions, "jazz"), tracks_of(descriptions, "rock")) == ([1, 0], [2])
    assert (len(descriptions), descriptions.terms_in_use) == (3, 3)
    term = int(descriptions.terms_of.newest_first(1)[0])
    assert descriptions.weighing[term].tolist() == [math.log(2), TermKind.TAG.weight]


def test_a_track_that_is_described_anew_leaves_what_it_was() -> None:
    descriptions = described("jazz cool", "jazz")
    descriptions.describe(0, tags("rock cool"))
    assert [tracks_of(descriptions, word) for word in ("jazz", "cool", "rock")] == [[1], [0], [0]]
    descriptions.describe(1, tags("rock"))
    assert [tracks_of(descriptions, word) for word in ("jazz", "cool", "rock")] == [[], [0], [1, 0]]
    assert (len(descriptions), descriptions.terms_in_use) == (2, 2)


def test_a_track_that_is_said_again_keeps_its_place() -> None:
    descriptions = described("jazz", "jazz")
    descriptions.describe(0, tags("jazz"))
    assert (tracks_of(descriptions, "jazz"), count_of(descriptions, "jazz")) == ([1, 0], 2)


def test_a_number_that_a_forgotten_term_leaves_is_given_to_the_next_within_one_description() -> None:
    descriptions = described("jazz")
    descriptions.describe(0, tags("rock"))
    assert (descriptions.terms, tracks_of(descriptions, "rock"), tracks_of(descriptions, "jazz")) == (1, [0], [])
    descriptions.describe(1, tags("jazz rock"))
    assert (tracks_of(descriptions, "rock"), tracks_of(descriptions, "jazz")) == ([1, 0], [1])


@pytest.mark.parametrize("said", ["", "forgotten"])
def test_a_track_of_which_nothing_is_said_any_more_is_as_one_that_never_was(said: str) -> None:
    descriptions = described("jazz", "jazz rock")
    if said:
        descriptions.forget(1)
    else:
        descriptions.describe(1, ())
    assert (len(descriptions), descriptions.terms_in_use, tracks_of(descriptions, "jazz")) == (1, 1, [0])
    assert (descriptions.is_described(0), descriptions.is_described(1)) == (True, False)
    descriptions.forget(1)
    descriptions.forget(5_000)
    assert (len(descriptions), descriptions.is_described(5_000)) == (1, False)


def test_of_more_tracks_than_a_term_may_keep_the_newest_are_kept_and_all_are_counted() -> None:
    descriptions = described(*["pop"] * 11)
    assert (tracks_of(descriptions, "pop"), count_of(descriptions, "pop")) == ([10, 9, 8, 7, 6, 5, 4, 3], 11)
    descriptions.forget(0)
    assert (tracks_of(descriptions, "pop"), count_of(descriptions, "pop")) == ([10, 9, 8, 7, 6, 5, 4, 3], 10)


def test_more_terms_than_may_be_are_not_taken_in_before_others_are_forgotten() -> None:
    descriptions = described("jazz", "rock", "pop rock", max_terms=2)
    assert (descriptions.terms_in_use, tracks_of(descriptions, "pop")) == (2, [])
    assert tracks_of(descriptions, "rock") == [2, 1]
    descriptions.forget(0)
    descriptions.describe(2, tags("pop rock"))
    assert (descriptions.terms, descriptions.terms_in_use, tracks_of(descriptions, "pop")) == (2, 2, [2])


def test_a_track_of_none_but_refused_terms_is_not_described() -> None:
    descriptions = described("jazz", "rock", max_terms=1)
    assert (len(descriptions), descriptions.is_described(1)) == (1, False)


def test_thousands_of_terms_and_tracks_find_their_room() -> None:
    descriptions = described(*(f"all {number} {number // 2}/2" for number in range(3_000)), max_terms=10_000)
    assert (len(descriptions), descriptions.terms_in_use) == (3_000, 4_501)
    assert tracks_of(descriptions, "1499/2") == [2_999, 2_998]
    assert tracks_of(descriptions, "all") == list(range(2_999, 2_991, -1))


def test_a_longer_description_than_a_track_may_have_is_cut() -> None:
    descriptions = described(" ".join(map(str, range(40))))
    assert descriptions.terms_in_use == MOST_TERMS
    assert tracks_of(descriptions, "31") == [0]


def test_what_says_the_same_in_another_order_is_kept_in_one_order() -> None:
    descriptions = described("cool jazz blue", "blue cool jazz")
    assert descriptions.terms_of.newest_first(0) == descriptions.terms_of.newest_first(1)


def test_restored_descriptions_go_on_as_if_never_stopped() -> None:
    steady = described(*(f"all {number} {number % 7}/7" for number in range(1_500)), max_terms=1_200)
    for track in range(0, 1_500, 3):
        steady.forget(track)
    restored = Descriptions(1_200, 8)
    restored.restore(State(joined(steady.state())))
    for descriptions in (steady, restored):
        for track in range(0, 1_600, 4):
            descriptions.describe(track, tags(f"new {track % 50} 3/7"))
    one, other = joined(steady.state()), joined(restored.state())
    assert list(one) == list(other)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
