"""What turning a dial does to lists, through the ranking core's door."""

from dataclasses import replace

import numpy as np
import pytest
from listening import Listening

from musicrec.contracts import EventType, Mode, RecommendationRequest, SessionSnapshot
from musicrec.errors import Incompatible
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.dials import Turned
from musicrec.recommend.state import State, joined

SMALL = RankingSettings(max_sessions=1_000)
OWN = [f"own-{number}" for number in range(15)]
OTHERS = [f"others-{number}" for number in range(15)]
CHART = "chart"


@pytest.fixture
def world() -> Listening:
    return Listening()


@pytest.fixture
def recommender(world: Listening) -> Recommender:
    """Knows twelve listeners who hear everything around `seed`, one track twice, and ann, who heard half of it."""
    recommender = Recommender(SMALL)
    for number in range(12):
        tracks = " ".join(["seed", *OWN, *OTHERS, CHART])
        for snapshot in world.session(f"listener-{number}", tracks) + world.session(f"listener-{number}", CHART):
            recommender.learn(snapshot)
    for snapshot in world.session("ann", " ".join(OWN)):
        recommender.learn(snapshot)
    return recommender


def dialled(snapshot: SessionSnapshot, discovery: float | None) -> SessionSnapshot:
    return snapshot.model_copy(update={"discovery": discovery})


def listed(ranked: RankedList) -> list[str]:
    return [item.track_id for item in ranked.items]


def new_tracks(ranked: RankedList) -> int:
    return len(set(listed(ranked)) - set(OWN) - {"seed"})


def personal(world: Listening) -> RecommendationRequest:
    return RecommendationRequest(
        request_id="r", user_id="ann", mode=Mode.PERSONAL, limit=10, requested_at_ms=world.now_ms
    )


def test_the_further_the_dial_the_more_tracks_are_new_to_the_listener(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.session("ann", "seed")[0]
    counts = [new_tracks(recommender.rank(dialled(snapshot, dial), 12)) for dial in (-1.0, -0.3, 0.0, 0.3, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] <= 2
    assert counts[-1] >= 10


def test_a_dial_in_the_middle_gives_the_list_of_one_that_was_never_set(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.session("ann", "seed")[0]
    never, middle = recommender.rank(snapshot), recommender.rank(dialled(snapshot, 0.0))
    assert never.items == middle.items
    assert (never.making.discovery, never.making.new_to_listener) == (None, None)
    assert middle.making.discovery == 0.0
    untold = middle.making.model_copy(update={"discovery": None, "new_to_listener": None})
    assert untold.encode() == never.making.encode()


def test_a_list_tells_the_dial_which_tracks_are_new_and_where_they_stood_before(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.session("ann", "seed")[0]
    before = listed(recommender.rank(snapshot, 31))
    ranked = recommender.rank(dialled(snapshot, 1.0), 12)
    making = ranked.making
    assert making.discovery == 1.0
    assert making.new_to_listener is not None
    new = {listed(ranked)[place - 1] for place in making.new_to_listener}
    assert new == set(listed(ranked)) - set(OWN)
    assert [before[rank - 1] for rank in making.ranker_ranks] == listed(ranked)
    assert making.ranker_ranks != tuple(range(1, 13))


def test_a_track_of_the_running_session_is_not_new_before_it_was_learned(
    world: Listening, recommender: Recommender
) -> None:
    played = world.session("ann", "others-1 seed")  # not learned: this worker lags behind
    ranked = recommender.rank(dialled(played[-1], 1.0), 31)
    assert ranked.making.new_to_listener is not None
    place = listed(ranked).index("others-1") + 1
    assert place not in ranked.making.new_to_listener


def test_what_everybody_plays_goes_down_as_the_dial_goes_up(world: Listening) -> None:
    recommender = Recommender(replace(SMALL, discovery_newness=0.0, discovery_fame=1.0))
    for number in range(12):
        for snapshot in world.session(f"listener-{number}", f"seed b c d {CHART}") + world.session("x", CHART):
            recommender.learn(snapshot)
    snapshot = world.session("stranger", "seed")[0]
    places = [listed(recommender.rank(dialled(snapshot, dial))).index(CHART) for dial in (-1.0, 0.0, 1.0)]
    assert places == sorted(places)
    assert places[0] < places[-1]


def test_the_popularity_dial_lowers_what_everybody_plays_or_raises_it_for_all_listeners(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.session("stranger", "seed")[0]
    places = []
    for value in (-20.0, -0.5, 0.0, 0.5, 20.0):
        dialled_down = Recommender(replace(SMALL, popularity_dial=value))
        dialled_down.restore(State(joined(recommender.state())))
        ranked = dialled_down.rank(snapshot, 31)
        places.append(listed(ranked).index(CHART))
        assert ranked.making.popularity_dial == (value or None)
        assert ranked.making.discovery is ranked.making.new_to_listener is None
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == 30
    assert listed(recommender.rank(snapshot, 31)).index(CHART) == places[2]


def test_both_dials_together_add_what_each_adds() -> None:
    settings = RankingSettings(popularity_dial=0.25, discovery_newness=3.0, discovery_fame=0.5)
    assert Turned.of(settings, -0.5) == Turned(newness=-1.5, fame=0.0)
    assert Turned.of(settings, 1.0) == Turned(newness=3.0, fame=-0.75)
    assert Turned.of(settings, None) == Turned.of(settings, 0.0) == Turned(newness=0.0, fame=-0.25)


def test_a_default_is_for_those_who_never_set_the_dial(world: Listening, recommender: Recommender) -> None:
    snapshot = world.session("ann", "seed")[0]
    inclined = Recommender(replace(SMALL, discovery=1.0))
    inclined.restore(State(joined(recommender.state())))
    assert inclined.rank(snapshot).items == recommender.rank(dialled(snapshot, 1.0)).items
    assert inclined.rank(dialled(snapshot, 0.0)).items == recommender.rank(snapshot).items


def test_a_dial_is_remembered_for_what_is_asked_later(world: Listening, recommender: Recommender) -> None:
    usual = recommender.answer(personal(world), None, world.now_ms)
    recommender.learn(world.feedback("ann", EventType.SET_DISCOVERY, None, discovery=1.0))
    asked = recommender.answer(personal(world), None, world.now_ms)
    assert new_tracks(asked) > new_tracks(usual)
    assert asked.making.discovery == 1.0
    restored = Recommender(SMALL)
    restored.restore(State(joined(recommender.state())))
    assert restored.answer(personal(world), None, world.now_ms).items == asked.items


def test_scores_fall_from_place_to_place_at_every_dial(world: Listening, recommender: Recommender) -> None:
    snapshot = world.session("ann", "seed")[0]
    for settings in (SMALL, replace(SMALL, ranked_candidates=0)):
        recommender._rank_by(settings, recommender._candidates.encoders)
        for dial in (-1.0, 1.0):
            ranked = recommender.rank(dialled(snapshot, dial))
            assert (np.diff([item.score for item in ranked.items]) <= 0).all()
            assert (np.diff(ranked.candidate_scores) <= 0).all()


def test_a_setting_that_came_later_leaves_the_name_of_a_ranking_at_its_default() -> None:
    assert RankingSettings().version() == "rank-d525d90bb4"
    assert RankingSettings(discovery=0.5).version() != RankingSettings().version()
    assert RankingSettings(discovery=0.5).learned_version() == RankingSettings().learned_version()
    # What changes which candidates a lesson has changes what is learned.
    for other in (
        RankingSettings(rank_constant=9.0),
        RankingSettings(skipped_rests=5),
        RankingSettings(new_looked_at=9),
    ):
        assert other.learned_version() != RankingSettings().learned_version()


@pytest.mark.parametrize("value", [-1.01, 2.0])
def test_a_default_beyond_the_ends_of_the_dial_is_refused(value: float) -> None:
    with pytest.raises(Incompatible, match=rf"discovery: {value}; a number from -1 to 1"):
        RankingSettings(discovery=value)
