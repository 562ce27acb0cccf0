"""The ranking core through its door: learn, rank, answer."""

from dataclasses import replace

import numpy as np
import pytest
from listening import Listening
from sounds import FewSounds

from musicrec.contracts import (
    Degradation,
    EventType,
    ExcludedCandidates,
    Mode,
    ReasonCode,
    RecommendationRequest,
    SessionSnapshot,
    Track,
)
from musicrec.errors import Incompatible
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.state import State, joined

SMALL = RankingSettings(max_sessions=1_000)


@pytest.fixture
def world() -> Listening:
    return Listening()


@pytest.fixture
def recommender(world: Listening) -> Recommender:
    """Knows ten listeners who hear a b c d, ten who hear x y z, and what a single one hears besides."""
    recommender = Recommender(SMALL)
    for number in range(10):
        teach(recommender, world.session(f"abc-{number}", "a b c d", "artist-1"))
        teach(recommender, world.session(f"xyz-{number}", "x y z", "artist-2"))
    return recommender


def teach(recommender: Recommender, snapshots: list[SessionSnapshot]) -> None:
    for snapshot in snapshots:
        assert recommender.learn(snapshot)


def listed(ranked: RankedList) -> list[str]:
    return [item.track_id for item in ranked.items]


def request(mode: Mode, world: Listening, user_id: str = "ann", track_id: str | None = None) -> RecommendationRequest:
    return RecommendationRequest(
        request_id="r1", user_id=user_id, mode=mode, track_id=track_id, limit=5, requested_at_ms=world.now_ms
    )


def test_the_next_track_of_sessions_like_this_one_comes_first(world: Listening, recommender: Recommender) -> None:
    teach(recommender, [world.play("ann", "a", "artist-1")])
    ranked = recommender.rank(world.play("ann", "b", "artist-1"))
    assert listed(ranked)[0] == "c"
    assert ranked.degraded == ()
    assert ranked.items[0].reason in (ReasonCode.SESSIONS_LIKE_THIS, ReasonCode.OFTEN_NEXT)
    sources = {source.source for source in ranked.items[0].sources}
    assert {"session_knn", "sequential_rules"} <= sources


def test_what_was_skipped_may_come_again_after_as_many_other_tracks_as_it_rests_for(world: Listening) -> None:
    ours = Recommender(RankingSettings(max_sessions=1_000, skipped_rests=2))
    for listener in ("bob", "eve", "joe"):
        for snapshot in world.session(listener, "a b c d"):
            ours.learn(snapshot)
    for place, track in enumerate("acd"):
        snapshot = world.play("ann", track, skip=track == "a")
        ours.learn(snapshot)
        listed = [item.track_id for item in ours.rank(snapshot).items]
        assert ("a" in listed) == (place == 2)


def test_the_current_track_and_what_was_skipped_are_never_listed(world: Listening, recommender: Recommender) -> None:
    teach(recommender, [world.play("ann", "c", "artist-1", skip=True)])
    snapshot = world.play("ann", "b", "artist-1")
    recommender.learn(snapshot)
    assert not {"b", "c"} & set(listed(recommender.rank(snapshot)))


def test_a_public_protocol_may_count_the_current_track(world: Listening) -> None:
    recommender = Recommender(RankingSettings.for_text_sessions())
    teach(recommender, world.session("bob", "a b c"))
    assert "b" in listed(recommender.rank(world.play("ann", "b")))


def test_blocked_tracks_and_artists_are_never_listed(world: Listening, recommender: Recommender) -> None:
    world.feedback("ann", EventType.BLOCK_TRACK, "c")
    world.feedback("ann", EventType.BLOCK_ARTIST, None, "artist-2")
    ranked = recommender.rank(world.play("ann", "b", "artist-1"))
    assert listed(ranked)
    assert not {"c", "x", "y", "z"} & set(listed(ranked))


def test_a_removed_track_is_not_listed_until_it_is_announced_again(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "b", "artist-1")
    recommender.remove_track("c")
    assert "c" not in listed(recommender.rank(snapshot))
    recommender.add_track(Track(track_id="c"))
    assert "c" in listed(recommender.rank(snapshot))


def test_a_revision_is_learned_once(world: Listening, recommender: Recommender) -> None:
    snapshots = world.session("bob", "a b c")
    teach(recommender, snapshots)
    plays = recommender.knowledge.popularity.plays.copy()
    assert [recommender.learn(snapshot) for snapshot in snapshots] == [False, False, False]
    assert np.array_equal(plays, recommender.knowledge.popularity.plays)


def test_a_count_that_began_anew_is_learned(world: Listening, recommender: Recommender) -> None:
    teach(recommender, world.session("bob", "a b c"))
    world._states.clear()  # the session store lost its state
    assert recommender.learn(world.session("bob", "d")[0])


def test_a_session_seen_in_the_middle_is_learned_as_a_whole(world: Listening) -> None:
    recommender = Recommender(SMALL)
    last = world.session("bob", "a b c")[-1]
    assert recommender.learn(last)
    assert listed(recommender.rank(world.play("ann", "a")))[0] == "b"


def test_a_running_session_is_no_neighbour_of_its_own(world: Listening) -> None:
    recommender = Recommender(SMALL)
    snapshots = world.session("ann", "a b c")
    teach(recommender, snapshots)
    ranked = recommender.rank(snapshots[-1])
    assert all(source.source != "session_knn" for item in ranked.items for source in item.sources)


def test_what_a_listener_always_plays_next_comes_first_for_them(world: Listening, recommender: Recommender) -> None:
    for _ in range(5):
        teach(recommender, world.session("ann", "b z"))
    ranked = recommender.rank(world.session("ann", "b")[0])
    assert listed(ranked)[0] == "z"
    assert ranked.items[0].reason is ReasonCode.YOUR_HABIT


@pytest.mark.row(23)
def test_a_first_play_of_an_unknown_track_gets_popular_tracks_and_says_so(
    world: Listening, recommender: Recommender
) -> None:
    ranked = recommender.rank(world.play("ann", "never-heard"))
    assert listed(ranked)
    assert ranked.degraded == (Degradation.UNKNOWN_TRACKS, Degradation.NO_HISTORY)
    assert ranked.items[0].reason is ReasonCode.POPULAR_NOW


def test_an_empty_catalogue_gives_an_empty_list_with_the_reason(world: Listening) -> None:
    ranked = Recommender(SMALL).rank(world.play("ann", "a"))
    assert ranked.items == ()
    assert ranked.degraded[0] is Degradation.EMPTY_CATALOGUE


def test_a_catalogue_of_the_current_track_alone_gives_an_empty_list_with_the_reason(world: Listening) -> None:
    recommender = Recommender(SMALL)
    snapshot = world.play("ann", "a")
    recommender.learn(snapshot)
    ranked = recommender.rank(snapshot)
    assert ranked.items == ()
    assert ranked.degraded[0] is Degradation.EVERYTHING_EXCLUDED


def test_an_announced_track_gets_the_exploration_slot(world: Listening, recommender: Recommender) -> None:
    recommender.add_track(Track(track_id="fresh", artist_id="artist-9"))
    ranked = recommender.rank(world.play("ann", "b", "artist-1"), limit=3)
    assert listed(ranked)[-1] == "fresh"
    assert ranked.items[-1].reason is ReasonCode.NEW_HERE
    assert len(ranked.items) == 3


def test_a_list_is_as_long_as_the_catalogue_allows(world: Listening) -> None:
    recommender = Recommender(SMALL)
    for number in range(300):
        recommender.add_track(Track(track_id=f"t{number}"))
    ranked = recommender.rank(world.play("ann", "t0"), limit=200)
    assert len(set(listed(ranked))) == 200


def test_candidates_behind_the_list_hold_its_items_in_order(world: Listening, recommender: Recommender) -> None:
    ranked = recommender.rank(world.play("ann", "b", "artist-1"), limit=4)
    known = [recommender.knowledge.catalogue.track_id(int(track)) for track in ranked.candidates[ranked.places]]
    assert known == listed(ranked)
    assert (np.diff(ranked.candidate_scores) <= 0).all()


def test_popular_lists_what_is_played_most(world: Listening, recommender: Recommender) -> None:
    teach(recommender, world.session("bob", "x y x y x"))
    ranked = recommender.answer(request(Mode.POPULAR, world), None, world.now_ms)
    assert listed(ranked)[0] == "x"
    assert all(item.reason is ReasonCode.POPULAR_NOW for item in ranked.items)


def test_new_lists_announced_tracks_the_newest_first(world: Listening, recommender: Recommender) -> None:
    for name in ("n1", "n2"):
        recommender.add_track(Track(track_id=name))
    ranked = recommender.answer(request(Mode.NEW, world), None, world.now_ms)
    assert listed(ranked)[:2] == ["n2", "n1"]
    assert ranked.items[0].reason is ReasonCode.NEW_HERE


def test_similar_lists_what_goes_with_the_seed(world: Listening, recommender: Recommender) -> None:
    ranked = recommender.answer(request(Mode.SIMILAR, world, track_id="x"), None, world.now_ms)
    assert set(listed(ranked)[:2]) == {"y", "z"}
    assert "x" not in listed(ranked)
    assert ranked.degraded == (Degradation.NO_AUDIO_INDEX,)


@pytest.mark.row(23)
def test_an_unknown_seed_is_said_to_be_unknown(world: Listening, recommender: Recommender) -> None:
    ranked = recommender.answer(request(Mode.SIMILAR, world, track_id="nobody-knows"), None, world.now_ms)
    assert Degradation.UNKNOWN_SEED in ranked.degraded
    assert ranked.items


def test_a_personal_list_holds_tracks_that_are_new_to_the_listener(world: Listening, recommender: Recommender) -> None:
    for _ in range(3):
        teach(recommender, world.session("ann", "a b p q r s t"))
    ranked = recommender.answer(request(Mode.PERSONAL, world), None, world.now_ms)
    assert set(listed(ranked)) & {"c", "d", "x", "y", "z"}
    assert set(listed(ranked)) & {"a", "b", "p", "q", "r", "s", "t"}


def test_a_personal_list_for_a_stranger_is_popular_and_says_so(world: Listening, recommender: Recommender) -> None:
    ranked = recommender.answer(request(Mode.PERSONAL, world, user_id="stranger"), None, world.now_ms)
    assert len(ranked.items) == 5
    assert Degradation.NO_HISTORY in ranked.degraded


def test_what_was_blocked_stays_blocked_in_requests(world: Listening, recommender: Recommender) -> None:
    recommender.learn(world.feedback("ann", EventType.BLOCK_TRACK, "x"))
    ranked = recommender.answer(request(Mode.POPULAR, world), None, world.now_ms)
    assert "x" not in listed(ranked)


def test_a_session_request_answers_like_the_event(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "b", "artist-1")
    recommender.learn(snapshot)
    answered = recommender.answer(request(Mode.SESSION, world), snapshot, world.now_ms)
    assert answered.items == recommender.rank(snapshot, 5).items


class FixedIndex(FewSounds):
    """A vector index of a few tracks in two dimensions."""

    version = "fixed-1"

    def __init__(self, vectors: dict[str, tuple[float, float]]) -> None:
        self._vectors = {name: np.array(vector, np.float32) for name, vector in vectors.items()}

    def __len__(self) -> int:
        return len(self._vectors)

    def vector(self, track_id: str) -> np.ndarray | None:
        return self._vectors.get(track_id)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        cosines = {name: float(known @ vector) for name, known in self._vectors.items()}
        return sorted(cosines.items(), key=lambda pair: -pair[1])[:k]


@pytest.mark.row(23)
def test_audio_places_a_track_that_nobody_played(world: Listening) -> None:
    recommender = Recommender(SMALL, FixedIndex({"heard": (1.0, 0.0), "near": (0.8, 0.6), "far": (-1.0, 0.0)}))
    for name in ("far", "near", "heard"):
        recommender.add_track(Track(track_id=name))
    ranked = recommender.rank(world.play("ann", "heard"), limit=3)
    assert listed(ranked)[0] == "near"
    assert ranked.items[0].reason is ReasonCode.SOUNDS_LIKE
    assert ranked.degraded == ()


@pytest.mark.row(23)
def test_an_empty_vector_index_is_said_to_be_empty(world: Listening) -> None:
    recommender = Recommender(SMALL, FixedIndex({}))
    recommender.learn(world.play("bob", "a"))
    assert Degradation.NO_AUDIO_INDEX in recommender.rank(world.play("ann", "a")).degraded


@pytest.mark.row(42)
def test_the_longest_silent_listener_is_forgotten_first(world: Listening) -> None:
    recommender = Recommender(RankingSettings(max_sessions=100, max_listeners=2))
    for user in ("ann", "bob", "ann", "cid"):
        recommender.learn(world.play(user, "a"))
    assert list(recommender.knowledge.listeners) == ["ann", "cid"]


@pytest.mark.row(42)
def test_a_full_catalogue_takes_no_further_track(world: Listening) -> None:
    recommender = Recommender(RankingSettings(max_sessions=100, max_tracks=2))
    teach(recommender, world.session("bob", "a b garbage"))
    assert len(recommender.knowledge.catalogue) == 2
    assert set(listed(recommender.rank(world.play("ann", "a")))) == {"b"}


def test_settings_that_differ_have_other_versions() -> None:
    assert RankingSettings().version() == RankingSettings().version()
    assert RankingSettings().version() != RankingSettings(knn_neighbours=99).version()
    assert RankingSettings().version() != RankingSettings.for_text_sessions().version()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"query_length": 0}, "query_length: 0; at least 1"),
        ({"knn_neighbours": 0}, "knn_neighbours: 0; at least 1"),
        ({"sessions_per_track": 500}, "sessions_per_track: 500; a power of two from 4 up"),
        ({"knn_position_decay": 0.0}, "knn_position_decay: 0.0; more than 0"),
        ({"weight_popular": -0.1}, "weight_popular: -0.1; at least 0"),
        ({"rank_constant": float("nan")}, "rank_constant: nan; a number of at most"),
    ],
)
def test_a_setting_that_cannot_work_is_named(setting: dict[str, float], said: str) -> None:
    with pytest.raises(Incompatible, match=said):
        replace(RankingSettings(), **setting)  # type: ignore[arg-type]


def test_a_list_says_where_the_fusion_and_the_ranker_placed_its_items(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.play("ann", "b", "artist-1")
    ranked = recommender.rank(snapshot)
    fusion = Recommender(replace(SMALL, ranked_candidates=0))
    fusion.restore(State(joined(recommender.state())))
    plain = fusion.rank(snapshot)
    assert ranked.making.ranked == ranked.making.candidates == len(ranked.candidates)
    assert ranked.making.ranker_ranks == ()  # the list keeps the ranker's order
    assert [listed(plain)[rank - 1] for rank in ranked.making.fusion_ranks] == listed(ranked)
    assert plain.making.ranked == 0
    assert plain.making.fusion_ranks == tuple(range(1, len(plain.items) + 1))


def test_a_list_says_with_what_its_fused_scores_can_be_had_again(world: Listening, recommender: Recommender) -> None:
    teach(recommender, [world.play("ann", "a", "artist-1")])
    recommender.settings = replace(SMALL, ranked_candidates=0)
    ranked = recommender.rank(world.play("ann", "b", "artist-1"))
    making = ranked.making
    weight_of = dict(zip(making.sources, making.weights, strict=True))
    assert making.heard
    for place, item in enumerate(ranked.items, 1):
        parts = [weight_of[source.source] / (making.rank_constant + source.rank) for source in item.sources]
        assert item.score == pytest.approx(sum(parts) * (making.repeat_factor if place in making.heard else 1.0))


def test_a_list_counts_what_it_left_out_and_why(world: Listening, recommender: Recommender) -> None:
    teach(recommender, [world.play("ann", "c", "artist-1", skip=True)])
    world.feedback("ann", EventType.BLOCK_TRACK, "d")
    world.feedback("ann", EventType.BLOCK_ARTIST, None, "artist-2")
    snapshot = world.play("ann", "b", "artist-1")
    recommender.learn(snapshot)
    making = recommender.rank(snapshot).making
    assert making.excluded == ExcludedCandidates(playing=1, skipped=1, blocked=1, artist_blocked=3)
    assert making.candidates == 1


def test_a_new_track_in_an_exploration_slot_has_no_place_before_it(world: Listening, recommender: Recommender) -> None:
    recommender.add_track(Track(track_id="fresh", artist_id="artist-9"))
    making = recommender.rank(world.play("ann", "b", "artist-1"), limit=3).making
    assert making.fusion_ranks[-1] == 0
    assert all(making.fusion_ranks[:-1])


def test_an_artist_cap_and_the_places_that_it_passed_over_are_told(world: Listening, recommender: Recommender) -> None:
    capped = Recommender(replace(SMALL, artist_cap=1))
    capped.restore(State(joined(recommender.state())))
    making = capped.rank(world.play("ann", "b", "artist-1"), limit=2).making
    assert making.artist_cap == 1
    assert making.ranker_ranks[0] == 1
    assert making.ranker_ranks[1] > 2


def test_a_list_on_request_tells_its_own_weights(world: Listening, recommender: Recommender) -> None:
    making = recommender.answer(request(Mode.POPULAR, world), None, world.now_ms).making
    assert making.sources == ("popular", "new")
    assert making.proposed[0] == 7
