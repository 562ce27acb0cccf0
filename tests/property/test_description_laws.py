"""Descriptions, whatever the catalogue says in whatever order."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrec.contracts import Track
from musicrec.recommend import RankingSettings
from musicrec.recommend.description_terms import MOST_TERMS, folded, terms_of
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.metadata_neighbours import MetadataNeighbours
from musicrec.recommend.state import State, joined
from musicrec.recommend.top_k import Scratch

TRACKS = 9
CHOSEN = RankingSettings(metadata_least_cosine=0.0)

words = st.lists(st.sampled_from(["blue", "Blue", "straße", "STRASSE", "in a", "जाज़", "x"]), max_size=4)
described = st.builds(
    lambda title, album, tags, label: Track(
        track_id="t", title=" ".join(title), album=" ".join(album), tags=tuple(tags), label=label
    ),
    words, words, words, st.sampled_from([None, "Blue", "Blue Note"]),
)  # fmt: skip
said = st.lists(st.tuples(st.integers(0, TRACKS - 1), st.one_of(st.none(), described)), max_size=40)
"""Tracks that are described, described anew, or removed."""


def told(calls: list[tuple[int, Track | None]], max_terms: int = 1_000, tracks_per_term: int = 16) -> Descriptions:
    descriptions = Descriptions(max_terms, tracks_per_term)
    for track, says in calls:
        if says is None:
            descriptions.forget(track)
        else:
            descriptions.describe(track, terms_of(says))
    return descriptions


def neighbours(descriptions: Descriptions, track: int) -> list[tuple[int, float]]:
    keys, scores = np.zeros(TRACKS, np.int64), np.zeros(TRACKS)
    count = MetadataNeighbours(descriptions, CHOSEN).find([track], (), Scratch(), keys, scores)
    return list(zip(keys[:count].tolist(), scores[:count].tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(said, st.randoms(use_true_random=False))
def test_only_the_newest_word_on_each_track_counts(calls: list[tuple[int, Track | None]], mixed: Random) -> None:
    newest = [(track, says) for track, says in dict(calls).items() if says is not None]
    mixed.shuffle(newest)
    ours, anew = told(calls), told(newest)
    assert (len(ours), ours.terms_in_use) == (len(anew), anew.terms_in_use)
    for track in range(TRACKS):
        assert neighbours(ours, track) == neighbours(anew, track)


@settings(max_examples=100, deadline=None)
@given(said)
def test_a_cosine_lies_between_0_and_1_and_is_1_for_what_says_the_same(calls: list[tuple[int, Track | None]]) -> None:
    descriptions = told(calls)
    terms = {track: set(terms_of(says)) for track, says in dict(calls).items() if says is not None}
    for track, own in terms.items():
        found = dict(neighbours(descriptions, track))
        assert all(0 < cosine <= 1 + 1e-12 for cosine in found.values())
        assert found.keys() == {other for other, theirs in terms.items() if other != track and own & theirs}
        same = {other for other in found if terms[other] == own}
        assert len({found[other] for other in same}) <= 1
        assert all(abs(found[other] - 1) < 1e-12 for other in same)


@settings(max_examples=100, deadline=None)
@given(said, st.integers(1, 6))
def test_memory_is_bounded_and_every_list_tells_of_what_is_there(
    calls: list[tuple[int, Track | None]], max_terms: int
) -> None:
    descriptions = told(calls, max_terms, 4)
    assert descriptions.terms_in_use <= descriptions.terms <= max_terms
    of_track = {track: descriptions.terms_of.newest_first(track) for track in range(TRACKS)}
    assert len(descriptions) == sum(bool(terms) for terms in of_track.values())
    for term in range(descriptions.terms):
        having = {track for track, terms in of_track.items() if term in terms}
        kept = descriptions.tracks_of.newest_first(term)
        assert int(descriptions.tracks[term]) == len(having)
        assert len(kept) == len(set(kept)) <= 4
        assert set(kept) <= having
    assert all(len(terms) == len(set(terms)) <= MOST_TERMS for terms in of_track.values())


@settings(max_examples=60, deadline=None)
@given(said, said, st.integers(1, 8))
def test_saved_and_restored_is_never_stopped(
    before: list[tuple[int, Track | None]], after: list[tuple[int, Track | None]], max_terms: int
) -> None:
    steady, restored = told(before, max_terms, 4), Descriptions(max_terms, 4)
    restored.restore(State(joined(steady.state())))
    for descriptions in (steady, restored):
        for track, says in after:
            descriptions.describe(track, terms_of(says) if says is not None else ())
    one, other = joined(steady.state()), joined(restored.state())
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in other.items()
    }


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_text_holds_its_terms_are_folded_and_stay_so(title: str, tag: str) -> None:
    plain = Track(track_id="t", title=title, tags=(tag,) if tag else ())
    assert folded(folded(title)) == folded(title)
    assert all(term.text and term.text == folded(term.text) for term in terms_of(plain))
