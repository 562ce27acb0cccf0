"""Two configurations over the same plays: equal ones make equal bytes, and what differs is counted."""

from collections.abc import Iterator
from random import Random

import pytest
from listening import Listening

from musicrec.contracts import EventType, ListenEvent, Recommendation
from musicrec.evaluation.comparison import Comparison, Side, list_bytes
from musicrec.evaluation.comparison_report import example_lines, hits_table, sources_table, summary_lines
from musicrec.evaluation.prequential import PrequentialPass, PrequentialRun
from musicrec.recommend import RankingSettings, Recommender

SMALL = RankingSettings(max_sessions=500)
START_MS = 1_700_000_000_000


def events(count: int = 600, seed: int = 7) -> Iterator[ListenEvent]:
    """Listeners who like to hear the tracks of a shelf in order, mostly."""
    random, now_ms, at = Random(seed), START_MS, dict.fromkeys(range(8), 0)
    for number in range(count):
        user = random.randrange(8)
        now_ms += random.choice([20_000, 30_000, 2_000_000])
        at[user] = (at[user] + 1) % 12 if random.random() < 0.8 else random.randrange(12)
        track = 12 * (user % 3) + at[user]
        yield ListenEvent(
            event_id=f"e{number:06d}",
            user_id=f"u{user}",
            type=EventType.PLAY,
            occurred_at_ms=now_ms,
            track_id=f"t{track}",
            artist_id=f"a{track % 5}",
            ms_played=random.choice([5_000, 170_000]),
            duration_ms=180_000,
        )


def compared(a: RankingSettings, b: RankingSettings, *, examples: int = 0, unscored: int = 0) -> dict:
    comparison = Comparison(Side("a", Recommender(a)), Side("b", Recommender(b)), examples=examples)
    walk, played = PrequentialPass(comparison), events()
    for _ in range(unscored):
        walk.warm_up([next(played)])
    walk.score(played)
    return comparison.figures()


def test_the_same_settings_make_the_same_lists_to_the_last_byte() -> None:
    figures = compared(SMALL, RankingSettings(max_sessions=500), examples=5)
    assert figures["lists"] > 200
    assert figures["differ"] == figures["differ_first"] == figures["other_tracks"] == 0.0
    assert figures["overlap@20"] == 1.0
    assert figures["a"]["lists_digest"] == figures["b"]["lists_digest"]
    assert figures["a"]["groups"] == figures["b"]["groups"]
    assert figures["examples"] == []
    assert all(
        metric == {"difference": 0.0, "interval": [0.0, 0.0]}
        for group in figures["b_above_a"].values()
        for metric in group.values()
    )


def test_a_list_has_the_same_bytes_from_recommenders_that_learned_the_same() -> None:
    made: list[list[bytes]] = []
    for _ in range(2):
        world, recommender, values = Listening(), Recommender(SMALL), list[bytes]()
        for number in range(6):
            for snapshot in world.session(f"u{number % 3}", "a b c d e"):
                recommender.learn(snapshot)
                values.append(list_bytes(snapshot, recommender.rank(snapshot), "rank-1"))
        made.append(values)
    assert made[0] == made[1]
    assert Recommendation.decode(made[0][-1]).items


def test_side_a_has_the_figures_of_an_evaluation_with_its_settings() -> None:
    run = PrequentialRun(Recommender(SMALL), baselines={})
    run.score(events())
    alone = run.contest.scores["musicrec"].figures(1)
    ours = compared(SMALL, RankingSettings(max_sessions=500, rank_constant=99.0))["a"]["groups"]
    assert ours == {group: alone[group] for group in ("all", "repeat", "new", "completed", "skipped")}


def test_other_settings_are_counted_with_interval_sources_and_examples() -> None:
    other = RankingSettings(max_sessions=500, weight_session_knn=0.0, weight_listener_habit=0.0, ranked_candidates=0)
    figures = compared(SMALL, other, examples=2)
    assert 0 < figures["differ_first"] <= figures["differ"] <= 1
    assert figures["listeners"] == 8
    assert figures["a"]["lists_digest"] != figures["b"]["lists_digest"]
    assert "session_knn" in figures["a"]["sources"]
    assert "session_knn" not in figures["b"]["sources"]
    for side in ("a", "b"):
        assert sum(shares["strongest"] for shares in figures[side]["sources"].values()) == pytest.approx(1, abs=1e-4)
    above = figures["b_above_a"]["all"]["hr@20"]
    low, high = above["interval"]
    assert low <= above["difference"] <= high
    assert 0 < len(figures["examples"]) <= 6


def test_a_turned_dial_is_seen_in_the_share_of_new_tracks() -> None:
    familiar, new = (RankingSettings(max_sessions=500, discovery=dial) for dial in (-1.0, 1.0))
    figures = compared(familiar, new)
    usual = compared(SMALL, SMALL)
    assert usual["a"]["new@20"] == usual["b"]["new@20"]
    # Of 36 tracks a listener mostly hears 12: no list of 20 is without new ones, and the usual one has few more.
    assert 0.4 < figures["a"]["new@20"] <= usual["a"]["new@20"] < figures["b"]["new@20"] < 1.0


def test_what_is_only_learned_is_not_compared() -> None:
    assert compared(SMALL, SMALL, unscored=300)["lists"] < compared(SMALL, SMALL)["lists"]


def test_the_report_shows_every_figure_and_example() -> None:
    figures = compared(SMALL, RankingSettings(max_sessions=500, weight_listener_habit=0.0, artist_cap=1), examples=2)
    assert hits_table(figures).row_count == 10
    assert sources_table(figures).row_count >= 4
    lines = list(summary_lines(figures))
    assert lines[0].startswith(f"A  a, {SMALL.version()}: ")
    assert "mean overlap@20 0." in lines[-2]
    assert lines[-1].startswith("new to their listeners are ")
    for example in figures["examples"]:
        shown = "\n".join(example_lines(example))
        assert example["user_id"] in shown
        assert example["played_track_id"] in shown
