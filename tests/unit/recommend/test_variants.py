"""Variants of the ranking: who gets whose lists, what they share, and what each has for itself."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening import Listening
from tiny_ranker import LESSONS, taught

from musicrec.contracts import Mode, RecommendationRequest
from musicrec.errors import Incompatible
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.beginning import Beginning
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.settings import SHAPES_KNOWLEDGE
from musicrec.recommend.state import State, joined
from musicrec.recommend.variants import MAX_VARIANTS, VariantPlan, Variants, free_start, place_of

SMALL = RankingSettings(max_sessions=100, max_tracks=500, ranker_lesson_every=1)
USERS = [f"user {number}" for number in range(5_000)]


def plan(name: str, share: float = 0.0, start: float = 0.0, at_ms: int = 0, **settings: float) -> VariantPlan:
    return VariantPlan(name, settings, True, "default", start, share, at_ms)


def heard(variants: Variants, plays: int = 60) -> Listening:
    world = Listening()
    for number in range(plays):
        user, track = f"user-{number % 5}", f"t{number * number % 13}"
        variants.learn(world.play(user, track, f"a{number % 3}", skip=number % 4 == 0))
    return world


def test_a_listener_has_one_place_in_an_experiment_and_another_in_the_next() -> None:
    places = np.array([place_of(user, "spring") for user in USERS])
    others = np.array([place_of(user, "autumn") for user in USERS])
    assert np.histogram(places, 10, (0, 1))[0].min() > 400
    assert abs(np.corrcoef(places, others)[0, 1]) < 0.05


def test_listeners_are_shared_out_as_asked_and_the_rest_have_the_default() -> None:
    variants = Variants(Recommender(SMALL))
    assert variants.arrange([plan("a", 0.1), plan("b", 0.3, start=0.5)]) == {}
    counts = Counter(variants.variant_of(user) for user in USERS)
    assert counts["a"] / len(USERS) == pytest.approx(0.1, abs=0.02)
    assert counts["b"] / len(USERS) == pytest.approx(0.3, abs=0.02)


def test_who_belongs_to_a_variant_does_not_move_when_others_come_or_go() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("a", 0.2), plan("b", 0.2, start=0.2)])
    before = [variants.variant_of(user) for user in USERS]
    variants.arrange([plan("b", 0.2, start=0.2), plan("c", 0.1, start=0.6)])
    after = [variants.variant_of(user) for user in USERS]
    assert [user for user, name in zip(USERS, before, strict=True) if name == "b"] == [
        user for user, name in zip(USERS, after, strict=True) if name == "b"
    ]


def test_lists_say_which_variant_made_them_and_follow_its_settings() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("all", 1.0, artist_cap=1)])
    world = heard(variants)
    snapshot = world.play("user-1", "t1", "a1")
    ranked = variants.rank(snapshot, 3)
    assert ranked.variant == "all"
    assert ranked.model_version == replace(SMALL, artist_cap=1).version() != SMALL.version()
    request = RecommendationRequest(request_id="r", user_id="user-1", mode=Mode.PERSONAL, requested_at_ms=world.now_ms)
    assert variants.answer(request, snapshot, world.now_ms).variant == "all"
    assert variants.default.rank(snapshot, 3).variant is None


def test_shadows_answer_nobody_and_make_their_lists_beside() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("night", weight_popular=1.0)])
    snapshot = heard(variants).play("user-1", "t1")
    assert variants.rank(snapshot).variant is None
    assert variants.shadows == ("night",)
    made = variants.shadow("night", snapshot)
    assert made is not None
    assert made.variant == "night"


def test_the_default_lists_and_learns_what_it_would_without_variants() -> None:
    alone, beside, world = Variants(Recommender(SMALL)), Variants(Recommender(SMALL)), Listening()
    beside.arrange([plan("a", 0.5, weight_session_knn=2.0), plan("night", ranker_step=0.2, weight_session_encoder=0.0)])
    for number in range(60):
        snapshot = world.play(f"user-{number % 5}", f"t{number * number % 13}", f"a{number % 3}", skip=number % 4 == 0)
        assert alone.learn(snapshot) == beside.learn(snapshot)
        beside.shadow("night", snapshot)
        ours, theirs = alone.default.rank(snapshot), beside.default.rank(snapshot)
        assert [(i.track_id, i.score) for i in ours.items] == [(i.track_id, i.score) for i in theirs.items]
    first, second = joined(alone.default.state()), joined(beside.default.state())
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_variant_with_the_default_s_settings_lists_what_the_default_does() -> None:
    variants = Variants(Recommender(SMALL))
    world = heard(variants, 30)
    variants.arrange([plan("same", 1.0)])
    for number in range(40):
        variants.learn(world.play(f"user-{number % 5}", f"t{number % 13}", f"a{number % 3}"))
    snapshot = world.play("user-2", "t3")
    ours, theirs = variants.rank(snapshot), variants.default.rank(snapshot)
    assert [(i.track_id, i.score) for i in ours.items] == [(i.track_id, i.score) for i in theirs.items]
    assert (ours.variant, theirs.variant) == ("same", None)


def test_each_ranker_learns_for_itself() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("rare", ranker_lesson_every=4), plan("often")])
    heard(variants)
    lessons = {name: recommender.ranker.lessons for name, recommender in variants._recommenders.items()}
    assert lessons["often"] == variants.default.ranker.lessons > 2 * lessons["rare"] > 0


def test_what_a_ranker_has_learned_stays_where_its_settings_stay() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("a", 0.1, weight_popular=0.5)])
    heard(variants)
    before = variants._recommenders["a"]
    variants.arrange([plan("a", 0.2, weight_popular=0.5)])
    assert variants._recommenders["a"] is before
    variants.arrange([plan("a", 0.2, weight_popular=0.6)])
    assert variants._recommenders["a"] is not before


def test_rankers_are_restored_with_the_settings_that_they_were_saved_with() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("a", 0.1, weight_popular=0.5), plan("b")])
    heard(variants)
    saved = State(joined(variants.state()))
    lessons = variants._recommenders["a"].ranker.lessons
    other = Variants(Recommender(SMALL))
    other.restore(saved)
    other.arrange([plan("a", 0.3, weight_popular=0.5), plan("b", weight_popular=0.1)])
    assert {name: each.ranker.lessons for name, each in other._recommenders.items()} == {"a": lessons, "b": 0}
    assert other._recommenders["a"].skips.lessons == lessons
    other.settle()
    other.arrange([])
    other.arrange([plan("a", 0.3, weight_popular=0.5)])
    assert other._recommenders["a"].ranker.lessons == 0


def announced_ranker(at_ms: int = 0) -> tuple[State, Beginning]:
    return State(joined(taught().networks_state())), Beginning("ranker-1", "0" * 64, at_ms)


def test_an_announced_ranker_reaches_variants_of_its_shape_and_no_others() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("same", weight_popular=0.5), plan("narrow", ranker_hidden=8), plan("wary", skip_hidden=4)])
    world = heard(variants)
    kept = {name: variants._recommenders[name].ranker.lessons for name in ("narrow", "wary")}
    variants.begin_with(*announced_ranker())
    lessons = {name: each.ranker.lessons for name, each in variants._recommenders.items()}
    assert lessons == {"same": LESSONS, **kept}
    assert variants.default.ranker.lessons == variants._recommenders["same"].skips.lessons == LESSONS
    snapshot = world.play("user-1", "t1", "a1")
    versions = {name: variants.shadow(name, snapshot).model_version for name in variants.names}  # type: ignore[union-attr]
    assert [name for name, version in versions.items() if version.endswith("+ranker-1")] == ["same"]
    assert variants.rank(snapshot).model_version == f"{SMALL.version()}+ranker-1"


def test_a_variant_that_comes_later_begins_as_the_default_is_and_says_so() -> None:
    variants = Variants(Recommender(SMALL))
    variants.begin_with(*announced_ranker())
    world = heard(variants)
    variants.arrange([plan("same", weight_popular=0.5), plan("narrow", ranker_hidden=8)])
    ours = variants._recommenders
    assert ours["same"].ranker.lessons == variants.default.ranker.lessons > LESSONS
    assert ours["narrow"].ranker.lessons == 0
    snapshot = world.play("user-1", "t1", "a1")
    assert "+" not in variants.shadow("narrow", snapshot).model_version  # type: ignore[union-attr]


def test_what_was_learned_since_the_announcement_and_which_it_was_outlive_a_restart() -> None:
    variants = Variants(Recommender(SMALL))
    variants.arrange([plan("a", weight_popular=0.5)])
    variants.begin_with(*announced_ranker(at_ms=7))
    world = heard(variants)
    again = Variants(Recommender(SMALL))
    again.default.restore(State(joined(variants.default.state())))
    again.restore(State(joined(variants.state())))
    again.arrange([plan("a", weight_popular=0.5)])
    assert again.default.beginning == again._recommenders["a"].beginning == Beginning("ranker-1", "0" * 64, 7)
    assert again.default.ranker.lessons == variants.default.ranker.lessons > LESSONS
    snapshot = world.play("user-1", "t1", "a1")
    ours, theirs = again.rank(snapshot), variants.rank(snapshot)
    assert (ours.items, ours.model_version) == (theirs.items, theirs.model_version)
    assert again.shadow("a", snapshot).items == variants.shadow("a", snapshot).items  # type: ignore[union-attr]


def test_the_same_plays_and_the_same_announcement_give_the_same_lists() -> None:
    lists = []
    for _ in range(2):
        variants, world = Variants(Recommender(SMALL)), Listening()
        for number in range(60):
            if number == 30:
                variants.begin_with(*announced_ranker(at_ms=world.now_ms))
            variants.learn(world.play(f"user-{number % 5}", f"t{number * number % 13}", f"a{number % 3}"))
        lists.append(variants.rank(world.play("user-1", "t1", "a1")))
    assert (lists[0].items, lists[0].model_version) == (lists[1].items, lists[1].model_version)


def test_plays_from_before_the_announcement_teach_nothing_so_who_learns_them_late_knows_no_more() -> None:
    world, there, away = Listening(), Variants(Recommender(SMALL)), Variants(Recommender(SMALL))
    plays = [world.play(f"user-{n % 5}", f"t{n * n % 13}", f"a{n % 3}", skip=n % 4 == 0) for n in range(80)]
    announced = announced_ranker(at_ms=plays[40].trigger.published_at_ms)
    away.begin_with(*announced)  # and then learns everything, from the first play on
    for number, snapshot in enumerate(plays):
        if number == 40:
            there.begin_with(*announced)
        there.learn(snapshot)
        away.learn(snapshot)
    assert there.default.ranker.lessons == away.default.ranker.lessons > LESSONS
    assert there.default.rank(plays[-1]).items == away.default.rank(plays[-1]).items


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"weight_pop": 1.0}, "weight_pop: no setting of the ranking; a variant may differ in artist_cap, "),
        ({"max_sessions": 5.0}, "max_sessions: shapes what is learned, which all variants share"),
        ({"knn_neighbours": -1.0}, "knn_neighbours: -1; a whole number from 0 to 15000 is needed"),
        ({"knn_neighbours": 0.0}, "knn_neighbours: 0; at least 1 is needed"),
        ({"knn_neighbours": 1e9}, "whole number"),
        ({"artist_cap": 0.5}, "artist_cap: 0.5; a whole number from 0 to 100 is needed"),
        ({"weight_popular": -0.1}, "weight_popular: -0.1; at least 0 is needed"),
        ({"weight_popular": float("nan")}, "weight_popular: nan; a number of at most"),
        ({"knn_recency_ms": 0.0}, "knn_recency_ms: 0.0; more than 0 is needed"),
        ({"exclude_skipped": 2.0}, "exclude_skipped: 2; a whole number from 0 to 1 is needed"),
    ],
)
def test_a_setting_that_cannot_differ_so_is_refused(settings: Mapping[str, float], why: str) -> None:
    refused = Variants(Recommender(SMALL)).arrange([plan("a", 0.1, **settings)])
    assert isinstance(refused["a"], Incompatible)
    assert why in str(refused["a"])


def test_values_have_the_type_of_the_setting() -> None:
    varied = SMALL.varied(
        {"artist_cap": 2.0, "exclude_skipped": 0.0, "repeat_factor": 1.0, "encoder_repeat_logit": 1.0}
    )
    assert (varied.artist_cap, varied.exclude_skipped, varied.repeat_factor) == (2, False, 1.0)
    assert all(type(getattr(varied, f.name)) is type(getattr(SMALL, f.name)) for f in fields(varied))


def test_no_setting_of_the_knowledge_may_differ() -> None:
    read: set[str] = set()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(SMALL, name)

    knowledge = Knowledge(Watched())  # type: ignore[arg-type]
    world = Listening()
    for number in range(30):
        knowledge.learn(world.play(f"user {number % 3}", f"t{number % 7}", "a", skip=number % 2 == 0))
    assert read == SHAPES_KNOWLEDGE


def test_listeners_of_two_variants_are_refused_and_go_to_the_one_that_came_first() -> None:
    variants = Variants(Recommender(SMALL))
    refused = variants.arrange([plan("a", 0.5), plan("b", 0.2, start=0.4), plan("c", 0.2, start=0.9)])
    assert "shares listeners with a" in str(refused["b"])
    assert "they end at 1" in str(refused["c"])
    assert variants.names == ("a",)
    other = replace(plan("d", 0.1, start=0.9), experiment="spring")
    assert "shares listeners with a" in str(variants.arrange([plan("a", 0.5), other])["d"])


def test_too_many_variants_are_refused() -> None:
    variants = Variants(Recommender(SMALL))
    assert list(variants.arrange(plan(f"v{number}") for number in range(MAX_VARIANTS + 1))) == [f"v{MAX_VARIANTS}"]


def test_a_variant_that_fails_costs_no_list_and_stays_away_until_it_is_announced_anew() -> None:
    failures: list[str] = []
    variants = Variants(Recommender(SMALL), lambda name, error: failures.append(f"{name}: {error!r}"))
    world = heard(variants)
    variants.arrange([plan("bad", 1.0), plan("night")])
    for name in ("bad", "night"):
        del variants._recommenders[name]._weights  # no list can be made without
    snapshot = world.play("user-1", "t1")
    assert variants.rank(snapshot).variant is None
    assert variants.shadow("night", snapshot) is None
    assert (variants.names, variants.shadows) == ((), ())
    assert [failure.partition(":")[0] for failure in failures] == ["bad", "night"]
    assert list(variants.arrange([plan("bad", 1.0), plan("night")])) == ["bad", "night"]
    assert variants.arrange([plan("bad", 1.0, at_ms=1)]) == {}
    assert variants.rank(snapshot).variant == "bad"


@given(st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.3]), max_size=8))
def test_free_stretches_never_overlap_and_are_found_as_long_as_the_shares_fit(shares: list[float]) -> None:
    taken: list[tuple[float, float]] = []
    for share in shares:
        start = free_start(share, taken, 0.0)
        fits = sum(width for _, width in taken) + share <= 1.0 + 1e-9
        assert (start is not None) == fits
        if start is not None:
            taken.append((start, share))
    ordered = sorted(taken)
    assert all(a + width <= b + 1e-9 for (a, width), (b, _) in pairwise(ordered))


def test_a_variant_that_grows_keeps_its_listeners_where_it_can() -> None:
    assert free_start(0.2, [(0.0, 0.1)], 0.5) == 0.5
    assert free_start(0.2, [(0.0, 0.1), (0.6, 0.1)], 0.5) == 0.1
