"""Laws of the ranking core, whatever is played."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import START_MS, Listening

from musicrec.contracts import Making, Mode, RecommendationRequest, SessionSnapshot
from musicrec.evaluation.metrics import HitCounter
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.diversity import varied_places
from musicrec.recommend.posting_lists import PostingLists
from musicrec.recommend.session_store import SessionStore
from musicrec.recommend.top_k import take_top

SMALL = RankingSettings(max_sessions=16, session_row_length=4, sessions_per_track=4, history_length=16, max_listeners=3)
EVERY_LESSON = RankingSettings(max_sessions=16, ranker_lesson_every=1)

listens = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 12), st.booleans(), st.sampled_from([0, 0, 0, 60])),
    min_size=1,
    max_size=40,
)


def snapshots_of(drawn: list[tuple[str, int, bool, int]]) -> list[SessionSnapshot]:
    world = Listening()
    snapshots = []
    for user, track, skip, pause in drawn:
        world.pause(pause)
        snapshots.append(world.play(user, f"t{track}", f"artist-{track % 3}", skip=skip))
    return snapshots


@settings(max_examples=60, deadline=None)
@given(listens)
def test_a_list_has_no_current_no_skipped_and_no_track_twice(drawn: list[tuple[str, int, bool, int]]) -> None:
    recommender = Recommender(SMALL)
    for snapshot in snapshots_of(drawn):
        recommender.learn(snapshot)
        ranked = recommender.rank(snapshot)
        names = [item.track_id for item in ranked.items]
        skipped = {entry.track_id for entry in snapshot.entries if entry.outcome.is_skip}
        assert len(names) == len(set(names)) <= 20
        assert not skipped & set(names)
        assert snapshot.entries[-1].track_id not in names
        assert ranked.items or ranked.degraded


@settings(max_examples=40, deadline=None)
@given(listens)
def test_no_score_is_above_that_of_the_place_before(drawn: list[tuple[str, int, bool, int]]) -> None:
    recommender = Recommender(SMALL)
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        recommender.learn(snapshot)
    newest = snapshots[-1]
    lists = [recommender.rank(newest)]
    for mode in Mode:
        asked = RecommendationRequest(
            request_id="r", user_id=newest.user_id, mode=mode, track_id="t1", requested_at_ms=START_MS
        )
        lists += [recommender.answer(asked, snapshot, START_MS) for snapshot in (newest, None)]
    for ranked in lists:
        scores = [item.score for item in ranked.items]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.row(14)
@settings(max_examples=30, deadline=None)
@given(listens)
def test_fed_twice_is_fed_once(drawn: list[tuple[str, int, bool, int]]) -> None:
    once, twice = Recommender(EVERY_LESSON), Recommender(EVERY_LESSON)
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        once.learn(snapshot)
        assert twice.learn(snapshot)
        assert not twice.learn(snapshot)
    for snapshot in snapshots:
        assert once.rank(snapshot).items == twice.rank(snapshot).items


@settings(max_examples=30, deadline=None)
@given(listens)
def test_ranking_changes_nothing_that_is_learned(drawn: list[tuple[str, int, bool, int]]) -> None:
    silent, asked = Recommender(EVERY_LESSON), Recommender(EVERY_LESSON)
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        silent.learn(snapshot)
        asked.rank(snapshot)
        asked.learn(snapshot)
        asked.rank(snapshot)
    assert silent.rank(snapshots[-1]).items == asked.rank(snapshots[-1]).items


@settings(max_examples=30, deadline=None)
@given(listens, st.integers(1, 10))
@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_a_shorter_list_is_the_head_of_a_longer_one(
    diversity: float, drawn: list[tuple[str, int, bool, int]], limit: int
) -> None:
    recommender = Recommender(replace(SMALL, diversity=diversity))
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        recommender.learn(snapshot)
    longer, shorter = recommender.rank(snapshots[-1], 10), recommender.rank(snapshots[-1], limit)
    assert shorter.items == longer.items[:limit]


@settings(max_examples=30, deadline=None)
@given(listens, st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=5), st.integers(1, 10))
def test_a_higher_dial_never_lists_fewer_tracks_that_are_new_to_the_listener(
    drawn: list[tuple[str, int, bool, int]], dials: list[float], limit: int
) -> None:
    recommender = Recommender(replace(EVERY_LESSON, discovery_fame=0.0))
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        recommender.learn(snapshot)
    counts = []
    for dial in sorted(dials):
        turned = recommender.rank(snapshots[-1].model_copy(update={"discovery": dial}), limit)
        assert turned.making.new_to_listener is not None
        counts.append(len(turned.making.new_to_listener))
    assert counts == sorted(counts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_without_the_skip_forecast_a_track_would_stand_by_its_move_higher(seed: int) -> None:
    draw = Random(seed)  # forty plays of four listeners, half of them skipped: enough to foresee something
    drawn = [(draw.choice("abcd"), draw.randrange(13), draw.random() < 0.5, 0) for _ in range(40)]
    hasty = replace(EVERY_LESSON, skip_step=1.0, skip_aversion=20.0)
    foreseeing, blind = Recommender(hasty), Recommender(replace(hasty, skip_aversion=0.0))
    snapshots = snapshots_of(drawn)
    for snapshot in snapshots:
        foreseeing.learn(snapshot)
        blind.learn(snapshot)
    ranked, before = foreseeing.rank(snapshots[-1], 10), blind.rank(snapshots[-1], 10).candidates.tolist()
    assert blind.rank(snapshots[-1]).making.skip_moves is None
    for place, move in zip(ranked.places.tolist(), ranked.making.skip_moves or (), strict=ranked.making.ranked > 0):
        assert place < 0 or before.index(int(ranked.candidates[place])) == place - move


@settings(max_examples=30, deadline=None)
@given(listens)
def test_what_a_list_says_of_its_making_keeps_the_contract(drawn: list[tuple[str, int, bool, int]]) -> None:
    recommender = Recommender(EVERY_LESSON)
    for snapshot in snapshots_of(drawn):
        recommender.learn(snapshot)
        making = recommender.rank(snapshot, 10).making
        assert Making.model_validate_json(making.model_dump_json(exclude_none=True)) == making


@given(
    st.lists(st.floats(-5.0, 5.0), max_size=12).map(lambda scores: sorted(scores, reverse=True)),
    st.integers(0, 2**32),
    st.floats(0.0, 0.99),
)
def test_each_place_goes_to_the_candidate_of_largest_marginal_relevance(
    scores: list[float], seed: int, diversity: float
) -> None:
    draw = np.random.default_rng(seed)
    artists = draw.integers(-1, 3, len(scores)).astype(np.int32)
    vectors = draw.normal(size=(len(scores), 3)).astype(np.float32)
    vectors *= draw.integers(0, 2, (len(scores), 1))  # of some nothing is known
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    nothing = np.zeros((len(scores), 0), np.float32)
    taken = varied_places(np.array(scores), artists, vectors, nothing, diversity).tolist()
    assert sorted(taken) == list(range(len(scores)))

    def similarity(one: int, other: int) -> float:
        known = [float(artists[one] == artists[other])] if min(artists[one], artists[other]) >= 0 else []
        if vectors[one].any() and vectors[other].any():
            known.append(max(0.0, float(vectors[one] @ vectors[other])))
        return sum(known) / len(known) if known else 0.0

    def value(candidate: int, before: list[int]) -> float:
        spread = scores[0] - scores[-1]
        relevance = (scores[candidate] - scores[-1]) / spread if spread > 0 else 0.0
        likeness = max((similarity(candidate, other) for other in before), default=0.0)
        return (1 - diversity) * relevance - diversity * likeness

    for place, candidate in enumerate(taken):
        best = max(value(other, taken[:place]) for other in taken[place:])
        assert value(candidate, taken[:place]) >= best - 1e-5


@given(
    st.dictionaries(st.integers(0, 50), st.floats(0.01, 10.0), max_size=40),
    st.integers(1, 20),
)
def test_the_top_is_that_of_sorting_everything(scores: dict[int, float], limit: int) -> None:
    dense = np.zeros(51)
    for key, score in scores.items():
        dense[key] = score
    keys, best = np.zeros(limit, np.int64), np.zeros(limit)
    found = take_top(np.array(list(scores), np.int64), len(scores), dense, limit, keys, best)
    expected = sorted(scores, key=lambda key: (-scores[key], key))[:limit]
    assert keys[:found].tolist() == expected
    assert not dense.any()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1_000)), max_size=300))
def test_a_posting_list_holds_the_newest_values_of_its_key(appended: list[tuple[int, int]]) -> None:
    lists = PostingLists(max_length=16, keys=6)
    for key, value in appended:
        lists.append(key, value)
    for key in range(6):
        values = [value for at, value in appended if at == key]
        assert lists.newest_first(key) == values[-16:][::-1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=100))
def test_a_row_holds_the_last_listens_of_its_session_without_repetition(listened: list[tuple[int, int]]) -> None:
    store = SessionStore(rows=100, row_length=10, rows_per_track=64)
    store.grow(10)
    serials: dict[int, int] = {}
    for session, track in listened:
        if session not in serials:
            serials[session] = store.open_row(store.new_session(), 0)
        serials[session] = store.listen(serials[session], track, 1.0, 0)
    for session, serial in serials.items():
        newest_first = dict.fromkeys(track for at, track in reversed(listened) if at == session)
        assert store.contents(serial)[::-1] == list(newest_first)


@given(st.lists(st.integers(0, 40), max_size=50))
def test_metrics_lie_between_zero_and_one(ranks: list[int]) -> None:
    counter = HitCounter()
    for rank in ranks:
        counter.count(rank)
    figures = counter.figures()
    assert 0.0 <= figures["mrr@20"] <= figures["hr@20"] <= 1.0
