"""What a list's record says about its items, worked out and in words."""

import json
import unicodedata

import pytest
from listening import Listening

from musicrec.contracts import (
    EventType,
    ExcludedCandidates,
    Making,
    Mode,
    ReasonCode,
    Recommendation,
    RecommendedItem,
    SourceRank,
    Timings,
    Track,
    Trigger,
)
from musicrec.explain import explain
from musicrec.explain.wording import lines_of, object_of
from musicrec.recommend import RankingSettings, Recommender

NOON_MS = 1_600_000_000_000
HOSTILE = "\x1b]0;owned\x07\u202e[red]\r\n"

MAKING = Making(
    sources=("session_knn", "popular", "audio_neighbours"),
    weights=(0.3, 0.2, 0.1),
    proposed=(40, 100, 0),
    rank_constant=10.0,
    repeat_factor=0.5,
    candidates=120,
    excluded=ExcludedCandidates(playing=1, skipped=2, artist_blocked=3),
    ranked=96,
    fusion_ranks=(7, 1, 0),
    ranker_ranks=(1, 4, 0),
    heard=(2,),
    artist_cap=1,
)


def item(track_id: str, *sources: tuple[str, int]) -> RecommendedItem:
    ranks = tuple(SourceRank(source=name, rank=rank) for name, rank in sources)
    return RecommendedItem(track_id=track_id, score=1.0, sources=ranks, reason=ReasonCode.SESSIONS_LIKE_THIS)


def made(making: Making | None = MAKING, name: str = "") -> Recommendation:
    return Recommendation(
        list_id=f"l_1{name}",
        user_id=f"ann{name}",
        mode=Mode.SESSION,
        items=(
            item(f"a{name}", ("session_knn", 5), ("popular", 10)),
            item(f"b{name}", ("popular", 1)),
            item(f"new{name}", ("new", 1)),
        ),
        request_id=f"r{name}",
        model_version=f"rank-1{name}",
        index_version="none",
        generated_at_ms=NOON_MS,
        timings=Timings(ranking_ms=0.25),
        making=making,
    )


def test_each_source_gives_its_weight_over_c_plus_rank() -> None:
    first, _, _ = explain(made()).items
    assert [source.part for source in first.sources] == [pytest.approx(0.3 / 15), pytest.approx(0.2 / 20)]
    assert [source.share for source in first.sources] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert first.fused_score == pytest.approx(0.3 / 15 + 0.2 / 20)


def test_what_was_heard_in_the_session_is_damped() -> None:
    second = explain(made()).items[1]
    assert second.is_heard
    assert second.fused_score == pytest.approx(0.5 * 0.2 / 11)


def test_places_before_and_after_the_ranker_are_told() -> None:
    items = explain(made()).items
    assert [(each.fusion_rank, each.ranker_rank) for each in items] == [(7, 1), (1, 4), (None, None)]
    assert [each.is_exploration for each in items] == [False, False, True]


def test_a_list_in_the_rankers_order_needs_no_second_row_of_places() -> None:
    items = explain(made(MAKING.model_copy(update={"ranker_ranks": ()}))).items
    assert [each.ranker_rank for each in items] == [1, 2, None]


def test_candidates_that_a_rule_left_out_are_counted() -> None:
    assert explain(made()).left_out == 2  # the second item was fourth


def test_a_list_without_its_making_tells_sources_ranks_and_reasons() -> None:
    explanation = explain(made(None))
    first = explanation.items[0]
    assert [(source.source, source.rank) for source in first.sources] == [("session_knn", 5), ("popular", 10)]
    assert first.fusion_rank is first.ranker_rank is first.fused_score is explanation.left_out is None
    assert any("not in the record" in line for line in lines_of(explanation))


def test_a_record_with_fewer_places_than_items_is_explained_as_far_as_it_goes() -> None:
    explanation = explain(made(MAKING.model_copy(update={"fusion_ranks": (7,), "ranker_ranks": (1,)})))
    assert [each.fusion_rank for each in explanation.items] == [7, None, None]
    assert any("its places before are not in the record" in line for line in lines_of(explanation))


def test_the_words_name_every_stage() -> None:
    lines = list(lines_of(explain(made())))
    assert lines[0] == "list      l_1 for ann: 3 tracks, mode session"
    text = "\n".join(lines)
    for part in (
        "session_knn 40, popular 100; nothing from audio_neighbours",
        "1 playing now, or the seed, 2 skipped in this session, 3 of artists that the listener blocked",
        "120 candidates in the order of their fused scores; the ranker ordered the best 96 anew",
        "at most 1 of an artist; 1 place for newly announced tracks; 2 candidates left out",
        "fusion 7 > ranker 1 > list 1  (up 6)",
        "Other sessions that hold these tracks went on with it.",
        "fused score from session_knn rank 5 (67%), popular rank 10 (33%)",
        "heard in this session already",
        "in an exploration slot",
        "proposed by new rank 1",
    ):
        assert part in text


def test_a_dial_and_what_is_new_to_the_listener_are_told() -> None:
    turned = explain(made(MAKING.model_copy(update={"discovery": 0.5, "new_to_listener": (1, 3)})))
    assert [each.is_new_to_listener for each in turned.items] == [True, False, True]
    text = "\n".join(lines_of(turned))
    assert "dial      discovery at +0.50, towards new tracks; 2 of 3 tracks new to the listener" in text
    assert text.count("      new to the listener") == 2
    middle = explain(made(MAKING.model_copy(update={"discovery": 0.0, "new_to_listener": ()})))
    assert "dial      discovery in the middle; 0 of 3 tracks new" in "\n".join(lines_of(middle))
    never = explain(made())
    assert [each.is_new_to_listener for each in never.items] == [None, None, None]
    assert "dial" not in "\n".join(lines_of(never))


@pytest.mark.parametrize(("value", "said"), [(0.5, "popularity at +0.5: less of what"), (-2.0, "at -2: more of what")])
def test_the_popularity_dial_is_told(value: float, said: str) -> None:
    text = "\n".join(lines_of(explain(made(MAKING.model_copy(update={"popularity_dial": value, "dial_ranks": ()})))))
    assert said in text
    assert "discovery" not in text


def test_what_was_put_forward_for_variety_is_told() -> None:
    varied = MAKING.model_copy(update={"fusion_ranks": (7, 5, 0), "ranker_ranks": (1, 9, 0), "diversity": 0.25})
    explanation = explain(made(varied))
    assert [each.was_put_forward for each in explanation.items] == [False, True, False]
    text = "\n".join(lines_of(explanation))
    assert "variety with weight 0.25, 1 track put forward" in text
    assert "fusion 5 > ranker 9 > list 2" in text
    assert text.count("      put forward for variety") == 1
    assert "variety" not in "\n".join(lines_of(explain(made())))


def test_places_that_a_dial_gave_stand_between_the_ranker_s_and_the_list_s() -> None:
    turned = MAKING.model_copy(update={"ranker_ranks": (8, 9, 0), "dial_ranks": (1, 4, 0), "diversity": 0.25})
    explanation = explain(made(turned))
    assert [each.dial_rank for each in explanation.items] == [1, 4, None]
    assert [each.was_put_forward for each in explanation.items] == [False, True, False]
    assert explanation.left_out == 2
    assert "fusion 1 > ranker 9 > dial 4 > list 2" in "\n".join(lines_of(explanation))
    in_order = explain(made(turned.model_copy(update={"dial_ranks": ()})))
    assert [each.dial_rank for each in in_order.items] == [1, 2, None]
    assert [each.was_put_forward for each in in_order.items] == [False, False, False]
    assert in_order.left_out == 0


def test_a_list_that_answers_a_turned_dial_says_so() -> None:
    trigger = Trigger(
        event_id="e", type=EventType.SET_DISCOVERY, occurred_at_ms=NOON_MS, published_at_ms=0, partition=0, offset=0
    )
    lines = list(lines_of(explain(made().model_copy(update={"trigger": trigger}))))
    assert lines[2] == "answers   set_discovery at 2020-09-13T12:26:40.000Z, event e"


def test_the_odds_of_a_track_in_an_exploration_slot_are_told() -> None:
    shown = made()
    drawn = shown.items[2].model_copy(update={"propensity": 0.0625})
    explanation = explain(shown.model_copy(update={"items": (*shown.items[:2], drawn)}))
    assert [each.propensity for each in explanation.items] == [None, None, 0.0625]
    assert "exploration slot, drawn with a probability of 0.062" in "\n".join(lines_of(explanation))
    assert "drawn" not in "\n".join(lines_of(explain(shown)))


def test_what_the_skip_forecast_moved_says_so() -> None:
    foreseen = MAKING.model_copy(update={"skips_per_1000": (412, 54, 0), "skip_moves": (6, -2, 0)})
    explanation = explain(made(foreseen))
    assert [(each.skip_chance, each.skip_move) for each in explanation.items] == [(0.412, 6), (0.054, -2), (None, None)]
    text = "\n".join(lines_of(explanation))
    assert text.count("more likely to be skipped: 0.41, moved down 6") == 1
    assert text.count("less likely to be skipped: 0.05, moved up 2") == 1
    assert text.count("skipped:") == 2


def test_what_the_skip_forecast_left_in_its_place_is_not_worth_a_line() -> None:
    foreseen = MAKING.model_copy(update={"skips_per_1000": (412, 54, 0), "skip_moves": (0, 0, 0)})
    assert "skipped:" not in "\n".join(lines_of(explain(made(foreseen))))


def test_a_list_from_before_skips_were_foreseen_says_nothing_of_them() -> None:
    explanation = explain(made())
    assert {(each.skip_chance, each.skip_move) for each in explanation.items} == {(None, None)}
    assert "skipped:" not in "\n".join(lines_of(explanation))


@pytest.mark.row(45)
def test_hostile_words_are_shown_as_they_are_written() -> None:
    shown = "\n".join(lines_of(explain(made(name=HOSTILE))))
    assert {c for c in shown if unicodedata.category(c)[0] in "CZ"} <= {" ", "\n"}


def test_the_object_is_json_with_the_record_of_the_list() -> None:
    found = json.loads(json.dumps(object_of(explain(made()))))
    assert found["list_id"] == "l_1"
    assert found["making"]["candidates"] == 120
    assert found["items"][0]["sources"][0]["source"] == "session_knn"


def test_what_the_ranking_made_is_explained_whole() -> None:
    world, recommender = Listening(), Recommender(RankingSettings(max_sessions=1_000))
    for number in range(5):
        for snapshot in world.session(f"other-{number}", "a b c d", "artist"):
            recommender.learn(snapshot)
    recommender.add_track(Track(track_id="fresh"))
    recommender.learn(world.play("ann", "a", "artist"))
    ranked = recommender.rank(world.play("ann", "b", "artist"), limit=3)
    explanation = explain(made().model_copy(update={"items": ranked.items, "making": ranked.making}))
    assert explanation.items[-1].is_exploration
    for each in explanation.items[:-1]:
        assert each.fusion_rank is not None
        assert sum(source.share or 0.0 for source in each.sources) == pytest.approx(1.0)


def test_what_rules_kept_out_is_told_with_where_the_listener_was_taken_to_be() -> None:
    ruled = ExcludedCandidates(playing=1, ruled_out=1_234)
    known = list(lines_of(explain(made(MAKING.model_copy(update={"excluded": ruled, "market": "DE"})))))
    unknown = list(lines_of(explain(made(MAKING.model_copy(update={"excluded": ruled})))))
    assert "excluded  1 playing now, or the seed, 1,234 kept out by a rule or by their own markets" in known
    assert "market    DE" in known
    assert "market    not known: the list holds what may be listed in every market" in unknown
    assert not [line for line in lines_of(explain(made())) if line.startswith("market")]
