"""What stands in the exploration slots, how often, and with which odds."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening import Listening

from musicrec.contracts import EventType, SessionSnapshot, Track
from musicrec.errors import Incompatible
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.exploration import draw
from musicrec.recommend.state import State, joined

SMALL = RankingSettings(max_sessions=1_000)
LISTS = 600


@pytest.fixture
def world() -> Listening:
    return Listening()


@pytest.fixture
def recommender(world: Listening) -> Recommender:
    """Knows a crowd that hears a b c d, and five tracks that were just announced, one of them by the crowd's artist."""
    recommender = Recommender(SMALL)
    for number in range(5):
        for snapshot in world.session(f"listener-{number}", "a b c d", "artist-1"):
            recommender.learn(snapshot)
    for number in range(4):
        recommender.add_track(Track(track_id=f"new-{number}", artist_id=f"artist-of-{number}"))
    recommender.add_track(Track(track_id="near", artist_id="artist-1"))
    return recommender


def at_revisions(snapshot: SessionSnapshot, count: int) -> list[SessionSnapshot]:
    return [snapshot.model_copy(update={"revision": revision}) for revision in range(1, count + 1)]


def test_a_new_track_comes_as_often_as_its_propensity_says(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "a", "artist-1")
    drawn = [recommender.rank(each, 3).items[-1] for each in at_revisions(snapshot, LISTS)]
    odds = {item.track_id: item.propensity for item in drawn}
    assert odds == {"near": pytest.approx(25 / 29), **{f"new-{n}": pytest.approx(1 / 29) for n in range(4)}}
    counts = Counter(item.track_id for item in drawn)
    for track, propensity in odds.items():
        assert propensity is not None
        spread = (propensity * (1 - propensity) / LISTS) ** 0.5
        assert abs(counts[track] / LISTS - propensity) < 4 * spread


def test_what_another_choice_would_have_earned_follows_from_the_record(
    world: Listening, recommender: Recommender
) -> None:
    snapshot, rewards = world.play("ann", "a", "artist-1"), {"near": 0.1, "new-2": 1.0}
    drawn = [recommender.rank(each, 3).items[-1] for each in at_revisions(snapshot, 4 * LISTS)]
    # The other choice takes each of the five as often as any.
    estimate = sum(rewards.get(item.track_id, 0.0) * (1 / 5) / (item.propensity or 1.0) for item in drawn) / len(drawn)
    assert estimate == pytest.approx((0.1 + 1.0) / 5, rel=0.25)


def test_the_same_event_draws_the_same_track_and_other_settings_draw_for_themselves(
    world: Listening, recommender: Recommender
) -> None:
    snapshots = at_revisions(world.play("ann", "a", "artist-1"), 60)
    again, other = Recommender(SMALL), Recommender(replace(SMALL, exploration_artist_weight=25.000001))
    for each in (again, other):
        each.restore(State(joined(recommender.state())))
    first = [recommender.rank(snapshot, 3).items for snapshot in snapshots]
    assert [again.rank(snapshot, 3).items for snapshot in snapshots] == first
    assert [other.rank(snapshot, 3).items[-1].track_id for snapshot in snapshots] != [
        items[-1].track_id for items in first
    ]


def test_nothing_but_a_track_in_an_exploration_slot_has_a_propensity(
    world: Listening, recommender: Recommender
) -> None:
    ranked = recommender.rank(world.play("ann", "a", "artist-1"), 4)
    assert [item.propensity is not None for item in ranked.items] == [False, False, False, True]
    assert [rank == 0 for rank in ranked.making.fusion_ranks] == [False, False, False, True]


def test_what_is_blocked_or_listed_already_takes_no_part_in_the_draw(
    world: Listening, recommender: Recommender
) -> None:
    recommender.learn(world.feedback("ann", EventType.BLOCK_TRACK, "near"))
    recommender.learn(world.feedback("ann", EventType.BLOCK_ARTIST, None, "artist-of-0"))
    snapshot = world.play("ann", "a", "artist-1")
    drawn = [recommender.rank(each, 3).items[-1] for each in at_revisions(snapshot, 60)]
    assert {item.track_id for item in drawn} == {"new-1", "new-2", "new-3"}
    assert {item.propensity for item in drawn} == {1 / 3}
    whole = recommender.rank(snapshot, 20)  # longer than the catalogue: all new tracks are listed by themselves
    assert [item.track_id for item in whole.items if item.propensity is not None] == []


def test_of_many_new_tracks_those_of_the_session_and_the_newest_take_part(
    world: Listening, recommender: Recommender
) -> None:
    narrow = Recommender(replace(SMALL, exploration_choice=2))
    narrow.restore(State(joined(recommender.state())))
    snapshot = world.play("ann", "a", "artist-1")
    drawn = {narrow.rank(each, 3).items[-1].track_id for each in at_revisions(snapshot, 200)}
    assert drawn == {"near", "new-3"}


def test_each_of_several_slots_tells_its_own_odds(world: Listening, recommender: Recommender) -> None:
    several = Recommender(replace(SMALL, exploration_slots=2))
    several.restore(State(joined(recommender.state())))
    for snapshot in at_revisions(world.play("ann", "a", "artist-1"), 30):
        first, second = several.rank(snapshot, 3).items[-2:]
        left = 29 - (25 if first.track_id == "near" else 1)
        assert second.propensity == pytest.approx((25 if second.track_id == "near" else 1) / left)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"exploration_choice": 0}, "exploration_choice: 0; at least 1"),
        ({"exploration_artist_weight": 0.0}, "exploration_artist_weight: 0.0; more than 0"),
    ],
)
def test_a_draw_without_tracks_or_odds_is_refused(setting: dict[str, float], said: str) -> None:
    with pytest.raises(Incompatible, match=said):
        replace(SMALL, **setting)  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(0, 99), st.floats(0.01, 100.0), max_size=8), st.integers(0, 10), st.text(max_size=5))
def test_draws_are_distinct_as_many_as_there_can_be_and_never_without_odds(
    weights: dict[int, float], slots: int, occasion: str
) -> None:
    drawn = draw(np.array(list(weights), np.int64), np.array(list(weights.values()), np.float64), slots, occasion)
    assert len({each.track for each in drawn}) == len(drawn) == min(slots, len(weights))
    assert all(0.0 < each.propensity <= 1.0 for each in drawn)
    assert all(each.track in weights for each in drawn)
    if len(drawn) == len(weights) > 0:
        assert drawn[-1].propensity == 1.0
