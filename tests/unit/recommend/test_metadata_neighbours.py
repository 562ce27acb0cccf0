"""Neighbours by description: the kernel against plain sums, and what lists make of it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from listening import START_MS, Listening

from musicrec.contracts import Degradation, Mode, ReasonCode, RecommendationRequest, Track
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.description_terms import Term, TermKind
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.fusion import Source
from musicrec.recommend.metadata_neighbours import MetadataNeighbours, session_vector
from musicrec.recommend.top_k import Scratch

EVERY = RankingSettings(metadata_least_cosine=0.0)
WITHOUT = replace(RankingSettings(), weight_metadata_neighbours=0.0)
Words = Mapping[int, Sequence[Term]]


def index_of(words: Words, tracks_per_term: int = 64) -> Descriptions:
    descriptions = Descriptions(1_000, tracks_per_term)
    for track, terms in words.items():
        descriptions.describe(track, terms)
    return descriptions


def found(
    descriptions: Descriptions, session: Sequence[int], skipped: Sequence[int] = (), settings: RankingSettings = EVERY
) -> list[tuple[int, float]]:
    keys, scores, by_track = np.zeros(100, np.int64), np.zeros(100), Scratch()
    neighbours = MetadataNeighbours(descriptions, settings)
    count = neighbours.find(session, skipped, by_track, keys, scores)
    assert not by_track.scores.any()
    assert not neighbours._by_term.scores.any()
    return list(zip(keys[:count].tolist(), scores[:count].tolist(), strict=True))


def plain_cosines(words: Words, session: Sequence[int], skipped: Sequence[int], settings: RankingSettings) -> dict:
    """Return the cosine of each track with the session, as the definition says it."""
    having = Counter(term for terms in words.values() for term in set(terms))

    def vector(terms: Sequence[Term]) -> dict[Term, float]:
        weights = {t: t.kind.weight * math.log((len(words) + 1) / having[t]) for t in set(terms)}
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {term: weight / length for term, weight in weights.items()}

    heard = [track for track in session if words.get(track) and track not in skipped][: settings.metadata_tracks]
    wanted: Counter[Term] = Counter()
    for place, track in enumerate(heard):
        for term, weight in vector(words[track]).items():
            wanted[term] += settings.metadata_place_decay**place * weight
    length = math.sqrt(sum(weight**2 for weight in wanted.values()))
    cosines = {
        track: sum(weight * wanted[term] for term, weight in vector(terms).items()) / length
        for track, terms in words.items()
        if track not in session and heard
    }
    return {track: cosine for track, cosine in cosines.items() if cosine > 0}


def described_at_random(seed: int, tracks: int = 60) -> dict[int, list[Term]]:
    random = np.random.default_rng(seed)
    kinds = list(TermKind)
    return {
        track: [
            Term(kinds[int(random.integers(4))], f"word {min(int(random.geometric(0.15)), 30)}")
            for _ in range(int(random.integers(1, 9)))
        ]
        for track in random.permutation(tracks).tolist()
    }


@pytest.mark.parametrize("seed", range(8))
def test_the_kernel_finds_what_the_definition_says(seed: int) -> None:
    words = described_at_random(seed)
    session, skipped = [7, 3, 99, 12, 5, 41, 8, 30], [3, 8]
    expected = plain_cosines(words, session, skipped, EVERY)
    ours = found(index_of(words), session, skipped)
    assert dict(ours) == pytest.approx(expected)
    assert len(ours) > 20
    scores = [score for _, score in ours]
    assert scores == sorted(scores, reverse=True)


def jazz(*words: str) -> list[Term]:
    return [Term(TermKind.TAG, "jazz"), *(Term(TermKind.WORD, word) for word in words)]


def rock(*words: str) -> list[Term]:
    return [Term(TermKind.TAG, "rock"), *(Term(TermKind.WORD, word) for word in words)]


def test_equal_cosines_stand_in_the_order_of_the_tracks() -> None:
    words = {track: jazz("blue") if track % 2 else rock("blue") for track in (9, 1, 6, 3, 0, 5)}
    assert [track for track, _ in found(index_of(words), [5])][:3] == [1, 3, 9]
    assert found(index_of(words), [5]) == found(index_of(dict(sorted(words.items()))), [5])


def test_newer_tracks_of_the_session_count_more_and_skipped_ones_not_at_all() -> None:
    descriptions = index_of({0: jazz("a"), 1: rock("b"), 2: jazz("c"), 3: rock("d")})
    assert [track for track, _ in found(descriptions, [0, 1])] == [2, 3]
    assert [track for track, _ in found(descriptions, [1, 0])] == [3, 2]
    assert [track for track, _ in found(descriptions, [1, 0], skipped=[1])] == [2]
    assert found(descriptions, [1, 0], skipped=[0, 1]) == []


def test_of_a_long_session_the_newest_described_tracks_count() -> None:
    descriptions = index_of({0: jazz("a"), 1: rock("b"), 2: jazz("c"), 3: rock("d")})
    one = replace(EVERY, metadata_tracks=1)
    assert [track for track, _ in found(descriptions, [50, 1, 0], settings=one)] == [3]
    assert found(descriptions, [50, 51], settings=one) == []


def test_a_word_that_nearly_all_titles_have_is_no_likeness() -> None:
    words = {track: [Term(TermKind.WORD, "the"), Term(TermKind.WORD, f"own {track}")] for track in range(50)}
    words[3].append(Term(TermKind.TAG, "jazz"))
    words[8].append(Term(TermKind.TAG, "jazz"))
    assert len(found(index_of(words), [3])) == 49
    assert [track for track, _ in found(index_of(words), [3], settings=RankingSettings())] == [8]


def test_what_much_of_the_session_has_is_looked_at_before_what_one_of_its_tracks_has() -> None:
    words = {track: [Term(TermKind.TAG, f"own {track}")] for track in range(40)}
    for track in range(8):
        words[track].append(Term(TermKind.TAG, "pop"))
    words[8] = [Term(TermKind.TAG, "own 1")]
    one, two = replace(EVERY, metadata_postings=2), replace(EVERY, metadata_postings=8)
    assert [track for track, _ in found(index_of(words), [1], settings=one)] == [8]
    assert [track for track, _ in found(index_of(words), [1, 2, 3, 4], settings=two)] == [0, 5, 6, 7]


def test_where_time_is_short_the_tracks_of_the_rarest_terms_are_looked_at() -> None:
    words = {track: [Term(TermKind.TAG, "pop")] for track in range(40)}
    for track in (3, 17):
        words[track] = [Term(TermKind.TAG, "pop"), Term(TermKind.TAG, "zither")]
    few = replace(EVERY, metadata_postings=6)
    # Two of the zither, the session's own among them, and the newest four of pop.
    assert [track for track, _ in found(index_of(words), [17], settings=few)] == [3, 36, 37, 38, 39]
    assert found(index_of(words), [17], settings=replace(EVERY, metadata_postings=0)) == []


def test_a_track_that_counts_for_nothing_has_no_terms_in_the_session() -> None:
    descriptions = index_of({0: jazz("a"), 1: rock("b"), 2: jazz("c"), 3: rock("d")})
    for decay, heard in ((0.0, 2), (1e-300, 2), (0.5, 4)):
        settings = replace(EVERY, metadata_place_decay=decay)
        assert [track for track, _ in found(descriptions, [0, 1], settings=settings)] == ([2] if heard == 2 else [2, 3])
        scratch, terms = Scratch(), descriptions.terms_of
        count = session_vector(
            np.array([0, 1, 1]), decay, 1.0, descriptions.weighing, terms.values, terms.start, terms.written,
            scratch.scores, scratch.touched,
        )  # fmt: skip
        assert count == heard  # else the scratch, which has a place per term, would be too short


TAGS = {"j1": "jazz", "j2": "jazz", "j3": "jazz", "r1": "rock", "r2": "rock", "r3": "rock"}


def recommender(settings: RankingSettings | None = None) -> Recommender:
    ours = Recommender(settings)
    for track, tag in TAGS.items():
        ours.add_track(Track(track_id=track, title=f"Title of {track}", tags=(tag,)))
    return ours


def described_alike(ours: Recommender, listening: Listening, track: str) -> set[str]:
    """Return what is listed after a play with the description as its reason."""
    snapshot = listening.play("ann", track)
    ours.learn(snapshot)
    return {item.track_id for item in ours.rank(snapshot).items if item.reason is ReasonCode.SIMILAR_DESCRIPTION}


def test_a_track_that_nobody_played_is_listed_for_its_description_and_says_so() -> None:
    ours, listening = recommender(), Listening()
    assert described_alike(ours, listening, "j1") == {"j2", "j3"}
    listening.pause()
    assert described_alike(ours, listening, "r2") == {"r1", "r3"}


def test_a_track_counts_by_what_the_catalogue_says_of_it_now() -> None:
    ours, listening = recommender(), Listening()
    ours.add_track(Track(track_id="j2", title="Title of j2", tags=("rock",)))
    ours.remove_track("j3")
    assert described_alike(ours, listening, "j1") == set()
    ours.add_track(Track(track_id="j3", tags=("jazz",)))
    listening.pause()
    assert described_alike(ours, listening, "j1") == {"j3"}


def test_a_catalogue_without_descriptions_makes_the_lists_that_it_made_without_the_source() -> None:
    listening = Listening()
    ours, without = Recommender(), Recommender(WITHOUT)
    for track in TAGS:
        for each in (ours, without):
            each.add_track(Track(track_id=track, artist_id=f"artist of {track[0]}", artist_name="Somebody"))
    for track in [*TAGS, *reversed(TAGS)] * 4:
        snapshot = listening.play("ann", track)
        for each in (ours, without):
            each.learn(snapshot)
        mine = ours.rank(snapshot)
        assert [(item.track_id, item.score, item.sources) for item in mine.items] == [
            (item.track_id, item.score, item.sources) for item in without.rank(snapshot).items
        ]
        assert mine.making.proposed[mine.making.sources.index("metadata_neighbours")] == 0


def test_a_weight_of_nothing_silences_the_source() -> None:
    ours, listening = recommender(WITHOUT), Listening()
    assert described_alike(ours, listening, "j1") == set()
    assert ours._candidates.counts[Source.METADATA_NEIGHBOURS] == 0


def test_tracks_similar_to_one_are_those_that_are_described_like_it() -> None:
    request = RecommendationRequest(
        request_id="r", user_id="ben", mode=Mode.SIMILAR, track_id="r1", requested_at_ms=START_MS
    )
    answer = recommender().answer(request, None, START_MS)
    assert {item.track_id for item in answer.items[:2]} == {"r2", "r3"}


def test_a_session_of_which_only_descriptions_are_known_is_no_unknown_one() -> None:
    for ours, expected in ((recommender(), False), (recommender(WITHOUT), True)):
        ranked = ours.rank(Listening().play("ann", "j1"))
        assert (Degradation.UNKNOWN_TRACKS in ranked.degraded) == expected
