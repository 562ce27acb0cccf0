"""What operators' rules and tracks' own markets do to lists, through the ranking core's door."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from listening import START_MS, Listening

from musicrec.contracts import (
    CatalogueRule,
    Degradation,
    Mode,
    RecommendationRequest,
    RuleEffect,
    SessionSnapshot,
    Track,
)
from musicrec.recommend import RankedList, RankingSettings, Recommender, rules_at
from musicrec.recommend.state import State, joined
from musicrec.recommend.variants import VariantPlan, Variants

SMALL = RankingSettings(max_sessions=1_000, exploration_slots=0)
TRACKS = [f"t{number}" for number in range(12)]
LABELS = {track: "loud" if number % 2 else "quiet" for number, track in enumerate(TRACKS)}
ARTISTS = {track: f"artist-{number % 3}" for number, track in enumerate(TRACKS)}
LOUD = {track for track in TRACKS if LABELS[track] == "loud"}
HOUR_MS = 3_600_000


def track(track_id: str, **fields: Any) -> Track:
    return Track(track_id=track_id, artist_id=ARTISTS.get(track_id), label=LABELS.get(track_id), **fields)


def rule(effect: RuleEffect, name: str = "rule", **fields: Any) -> CatalogueRule:
    return CatalogueRule(name=name, effect=effect, published_at_ms=START_MS, **fields)


def deny(**fields: Any) -> CatalogueRule:
    return rule(RuleEffect.DENY, **fields)


def allow(**fields: Any) -> CatalogueRule:
    return rule(RuleEffect.ALLOW, **fields)


@pytest.fixture
def world() -> Listening:
    return Listening()


@pytest.fixture
def recommender(world: Listening) -> Recommender:
    """Knows twelve announced tracks of two labels and three artists, and four listeners who heard all of them."""
    return taught(world, SMALL)


def taught(world: Listening, settings: RankingSettings) -> Recommender:
    recommender = Recommender(settings)
    for track_id in TRACKS:
        recommender.add_track(track(track_id))
    for number in range(4):
        for snapshot in world.session(f"listener-{number}", " ".join(TRACKS)):
            recommender.learn(snapshot)
    return recommender


def session(world: Listening, market: str | None = None) -> SessionSnapshot:
    world.pause()
    return world.play("ann", "t0", market=market)


def listed(ranked: RankedList) -> set[str]:
    return {item.track_id for item in ranked.items}


def every_list(recommender: Recommender, snapshot: SessionSnapshot, market: str | None = None) -> dict[str, RankedList]:
    """Return the session's list and one of each mode, asked for when the event happened."""
    now_ms = snapshot.trigger.occurred_at_ms
    lists = {"event": recommender.rank(snapshot, 20)}
    for mode in Mode:
        request = RecommendationRequest(
            request_id="r", user_id="ann", mode=mode, track_id="t0", requested_at_ms=now_ms, market=market
        )
        lists[mode.value] = recommender.answer(request, snapshot, now_ms)
    return lists


def test_what_a_deny_rule_names_is_in_no_list_whatever_it_is_named_by(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world)
    others = set(TRACKS) - {"t0"}
    for made, out in (
        (deny(tracks=("t5",)), {"t5"}),
        (deny(artists=("artist-1",)), {each for each in TRACKS if ARTISTS[each] == "artist-1"}),
        (deny(labels=("loud",)), LOUD),
        (deny(tracks=("t2",), labels=("loud",)), LOUD | {"t2"}),
    ):
        recommender.put_rule(made)  # in the place of the one before
        for mode, ranked in every_list(recommender, snapshot).items():
            assert not listed(ranked) & out, mode
            assert others - out <= listed(ranked) | {"t0"}, mode
    recommender.withdraw_rule("rule")
    assert all(others <= listed(ranked) for ranked in every_list(recommender, snapshot).values())


def test_a_rule_is_in_force_from_its_first_moment_to_before_its_last(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world)
    now_ms = snapshot.trigger.occurred_at_ms
    for from_ms, until_ms, is_out in (
        (now_ms, None, True),
        (now_ms + 1, None, False),
        (None, now_ms + 1, True),
        (None, now_ms, False),
        (now_ms - 1, now_ms + 1, True),
    ):
        recommender.put_rule(deny(tracks=("t5",), from_ms=from_ms, until_ms=until_ms))
        for mode, ranked in every_list(recommender, snapshot).items():
            assert ("t5" not in listed(ranked)) == is_out, (mode, from_ms, until_ms)
    request = RecommendationRequest(request_id="r", user_id="ann", requested_at_ms=now_ms)
    recommender.put_rule(deny(tracks=("t5",), from_ms=now_ms, until_ms=now_ms + 2))
    times = (now_ms - 1, now_ms, now_ms + 1, now_ms + 2)
    assert ["t5" in listed(recommender.answer(request, None, at_ms)) for at_ms in times] == [True, False, False, True]


def test_a_request_to_continue_a_session_is_ruled_by_the_time_of_its_answer(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world)
    recommender.put_rule(deny(tracks=("t5",), from_ms=world.now_ms + HOUR_MS))
    asked = RecommendationRequest(request_id="r", user_id="ann", mode=Mode.SESSION, requested_at_ms=world.now_ms)
    assert "t5" in listed(recommender.answer(asked, snapshot, world.now_ms))
    assert "t5" not in listed(recommender.answer(asked, snapshot, world.now_ms + HOUR_MS))


def test_a_rule_of_a_market_holds_there_and_for_listeners_of_whom_nobody_knows_where_they_are(
    world: Listening, recommender: Recommender
) -> None:
    recommender.put_rule(deny(tracks=("t5",), markets=("DE", "AT")))
    for market, is_out in (("DE", True), ("AT", True), ("US", False)):
        for mode, ranked in every_list(recommender, session(world, market)).items():
            assert ("t5" not in listed(ranked)) == is_out, (mode, market)
            assert ranked.making.market == market
    stranger = recommender.rank(world.play("bob", "t0"))
    assert "t5" not in listed(stranger)
    assert stranger.making.market is None


def test_the_market_that_a_request_names_comes_before_the_one_of_the_events(
    world: Listening, recommender: Recommender
) -> None:
    recommender.put_rule(deny(tracks=("t5",), markets=("DE",)))
    snapshot = session(world, "US")
    for mode, ranked in every_list(recommender, snapshot, "DE").items():
        assert ("t5" in listed(ranked)) == (mode == "event"), mode


def test_where_a_listener_is_is_remembered_for_what_is_asked_later(world: Listening, recommender: Recommender) -> None:
    recommender.put_rule(deny(tracks=("t5",), markets=("DE",)))
    recommender.learn(session(world, "US"))
    asked = RecommendationRequest(request_id="r", user_id="ann", requested_at_ms=world.now_ms)
    assert "t5" in listed(recommender.answer(asked, None, world.now_ms))
    restored = Recommender(SMALL)
    restored.put_rule(deny(tracks=("t5",), markets=("DE",)))
    restored.restore(State(joined(recommender.state())))
    assert "t5" in listed(restored.answer(asked, None, world.now_ms))
    assert "t5" not in listed(restored.answer(asked.model_copy(update={"market": "DE"}), None, world.now_ms))
    assert "t5" not in listed(restored.answer(asked.model_copy(update={"user_id": "x"}), None, world.now_ms))


def test_where_an_allow_rule_holds_only_what_one_admits_is_listed_and_deny_wins(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world, "DE")
    recommender.put_rule(allow(name="a", labels=("loud",), markets=("DE",)))
    assert all(listed(ranked) == LOUD for ranked in every_list(recommender, snapshot).values())
    recommender.put_rule(allow(name="b", tracks=("t2",)))
    assert all(listed(ranked) == LOUD | {"t2"} for ranked in every_list(recommender, snapshot).values())
    assert listed(recommender.rank(snapshot.model_copy(update={"market": "US"}))) == {"t2"}
    recommender.put_rule(deny(name="c", tracks=("t1", "t2")))
    assert all(listed(ranked) == LOUD - {"t1"} for ranked in every_list(recommender, snapshot).values())


def test_a_listener_of_unknown_market_gets_what_may_be_listed_in_every_market(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world)
    recommender.put_rule(allow(name="a", tracks=("t1", "t2"), markets=("DE",)))
    recommender.put_rule(allow(name="b", tracks=("t2", "t3"), markets=("AT",)))
    assert listed(recommender.rank(snapshot)) == {"t2"}
    recommender.put_rule(allow(name="c", tracks=("t3",)))
    assert listed(recommender.rank(snapshot)) == {"t3"}


def test_a_deny_rule_of_markets_alone_closes_them(world: Listening, recommender: Recommender) -> None:
    recommender.put_rule(deny(markets=("KP",)))
    for mode, ranked in every_list(recommender, session(world, "KP")).items():
        assert ranked.items == (), mode
        assert ranked.degraded[0] is Degradation.EVERYTHING_EXCLUDED
    assert recommender.rank(session(world, "US")).items


def test_a_track_is_listed_in_its_own_markets_alone(world: Listening, recommender: Recommender) -> None:
    recommender.add_track(track("t5", markets=("DE", "AT")))
    recommender.add_track(track("t6", markets=()))
    for market, is_out in (("DE", False), ("US", True)):
        for mode, ranked in every_list(recommender, session(world, market)).items():
            assert ("t5" not in listed(ranked)) == is_out, (mode, market)
            assert "t6" not in listed(ranked)
    assert "t5" not in listed(recommender.rank(world.play("bob", "t0")))
    for each in ("t5", "t6"):
        recommender.add_track(track(each))  # announced anew, for everywhere
        assert each in listed(recommender.rank(session(world, "US")))


def test_markets_that_a_track_gets_hold_at_once_beside_rules_that_stand(
    world: Listening, recommender: Recommender
) -> None:
    recommender.put_rule(deny(tracks=("t4",)))
    assert "t5" in listed(recommender.rank(session(world, "US")))
    recommender.add_track(track("t5", markets=("DE",)))
    assert not {"t4", "t5"} & listed(recommender.rank(session(world, "US")))


def test_a_rule_holds_for_tracks_artists_and_labels_that_come_later(world: Listening, recommender: Recommender) -> None:
    recommender.put_rule(deny(name="a", tracks=("later",), artists=("late artist",), labels=("late label",)))
    recommender.put_rule(deny(name="b", tracks=("later",)))
    recommender.rank(session(world))  # all tables are made before the tracks come
    recommender.add_track(Track(track_id="later"))
    recommender.add_track(Track(track_id="x", artist_id="late artist"))
    recommender.add_track(Track(track_id="y", label="late label"))
    recommender.add_track(Track(track_id="z"))
    for mode, ranked in every_list(recommender, session(world)).items():
        assert listed(ranked) & {"later", "x", "y", "z"} == {"z"}, mode


def test_a_track_that_moves_to_another_label_is_under_the_rules_of_that_one(
    world: Listening, recommender: Recommender
) -> None:
    recommender.put_rule(deny(labels=("loud",)))
    recommender.add_track(Track(track_id="t0", label="loud"))
    recommender.add_track(Track(track_id="t1", label="quiet"))
    recommender.add_track(Track(track_id="t3"))
    ranked = recommender.rank(world.play("ann", "t2"))
    assert listed(ranked) & {"t0", "t1", "t3"} == {"t1", "t3"}


def test_no_exploration_slot_goes_to_what_a_rule_keeps_out(world: Listening) -> None:
    recommender = taught(world, replace(SMALL, exploration_slots=5))
    for number in range(10):
        recommender.add_track(Track(track_id=f"new-{number}", label="loud" if number % 2 else "quiet"))
    snapshot = session(world)
    explored = {item.track_id for item in recommender.rank(snapshot, 6).items if item.propensity is not None}
    assert len(explored) == 5
    recommender.put_rule(deny(tracks=tuple(explored)))
    again = {item.track_id for item in recommender.rank(snapshot, 6).items if item.propensity is not None}
    assert len(again) == 5
    assert not again & explored


def test_a_short_list_is_filled_from_an_allow_list_however_far_back_in_the_catalogue(world: Listening) -> None:
    recommender = Recommender(SMALL)
    for each in ("oldest", "old"):
        recommender.add_track(Track(track_id=each, label="lullabies"))
    for number in range(12_000):
        recommender.add_track(Track(track_id=f"x{number}"))
    recommender.put_rule(allow(labels=("lullabies",)))
    snapshot = world.play("ann", "x3")
    assert [item.track_id for item in recommender.rank(snapshot).items] == ["old", "oldest"]
    recommender.add_track(Track(track_id="fresh", label="lullabies"))
    for number in range(200):  # more than any source proposes
        recommender.add_track(Track(track_id=f"y{number}", label="loud"))
    recommender.remove_track("old")
    assert listed(recommender.rank(snapshot)) == {"fresh", "oldest"}


def test_a_large_catalogue_is_searched_a_stretch_per_list(world: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_at, "STRETCH", 500)
    recommender = Recommender(SMALL)
    for number in range(1_800):
        recommender.add_track(Track(track_id=f"x{number}", label="lullabies" if number % 600 == 0 else None))
    recommender.put_rule(allow(labels=("lullabies",)))
    snapshot = world.play("ann", "x3")
    lists = [[item.track_id for item in recommender.rank(snapshot).items] for _ in range(5)]
    assert [len(each) for each in lists] == [0, 1, 2, 3, 3]
    assert lists[-1] == ["x1200", "x600", "x0"]


def test_a_list_counts_what_rules_kept_out_and_says_nothing_of_it_without_any(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = session(world)
    assert recommender.rank(snapshot).making.excluded.ruled_out is None
    recommender.put_rule(deny(labels=("loud",)))
    assert recommender.rank(snapshot).making.excluded.ruled_out == len(LOUD)
    recommender.remove_track("t1")  # which is a cause of its own
    assert recommender.rank(snapshot).making.excluded.ruled_out == len(LOUD) - 1
    recommender.put_rule(deny(labels=("loud",), until_ms=START_MS))
    assert recommender.rank(snapshot).making.excluded.ruled_out is None


def test_lists_without_rules_are_those_of_before(world: Listening, recommender: Recommender) -> None:
    snapshot = session(world)
    before = every_list(recommender, snapshot)
    recommender.put_rule(deny(name="elsewhere", tracks=("t5",), markets=("DE",)))
    recommender.put_rule(allow(name="later", tracks=("t5",), from_ms=snapshot.trigger.occurred_at_ms + HOUR_MS))
    recommender.withdraw_rule("elsewhere")
    recommender.withdraw_rule("never there")
    for mode, ranked in every_list(recommender, snapshot).items():
        assert (ranked.items, ranked.making) == (before[mode].items, before[mode].making), mode


def test_rules_change_nothing_that_is_learned(world: Listening) -> None:
    ruled, free = Recommender(replace(SMALL, ranker_lesson_every=1)), Recommender(replace(SMALL, ranker_lesson_every=1))
    ruled.put_rule(allow(tracks=("t1",)))
    for snapshot in world.session("ann", " ".join(TRACKS)) + world.session("bob", " ".join(TRACKS)):
        for each in (ruled, free):
            each.learn(snapshot)
            each.rank(snapshot)
    ours, theirs = joined(ruled.state()), joined(free.state())
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours.keys() | theirs.keys())


def test_a_variant_obeys_the_rules_too(world: Listening, recommender: Recommender) -> None:
    variants = Variants(recommender)
    plan = VariantPlan("other", {"rank_constant": 3.0}, uses_encoder=True, experiment="x", start=0.0, share=1.0)
    assert variants.arrange([plan]) == {}
    recommender.put_rule(deny(labels=("loud",)))
    made = variants.rank(session(world))
    assert made.variant == "other"
    assert not listed(made) & LOUD


def test_the_number_of_groups_stays_bounded_however_often_rules_change(
    world: Listening, recommender: Recommender
) -> None:
    rules = recommender.knowledge.rules

    def names(number: int) -> Iterable[str]:
        return (each for at, each in enumerate(TRACKS) if number >> at & 1)

    recommender.add_track(Track(track_id="spared"))
    rules.put(deny(name="over", tracks=("spared",), until_ms=START_MS))
    for number in range(1, 3_000):
        rules.put(deny(name=f"rule {number % 7}", tracks=tuple(names(number)) or ("t0",), artists=(f"a{number}",)))
        rules.put(deny(name=f"once {number}", tracks=("t3",)))
        rules.withdraw(f"once {number}")
    assert len(rules) == 8
    assert len(rules._groups) < 1_200
    out = {each for number in range(2_993, 3_000) for each in names(number)}
    assert listed(recommender.rank(session(world))) == {"spared", *TRACKS} - out - {"t0"}
