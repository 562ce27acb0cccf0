"""One pass per part of the ranking that is left out, and the page that they make."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from musicrec.contracts import EventType, ListenEvent
from musicrec.evaluation.ablations import (
    ABLATIONS,
    EVERYTHING,
    NO_RANKER,
    Ablation,
    AblationResult,
    ablations_of,
    measured,
)
from musicrec.evaluation.ablations_document import ablations_page, draw_course
from musicrec.recommend import RankingSettings

START_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five listeners who play twelve tracks in a circle, and now and then another one."""
    random = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    with path.open("wb") as lines:
        for play in range(400):
            track = play // 5 % 12 if random.random() < 0.8 else int(random.integers(12))
            event = ListenEvent(
                event_id=f"e{play:04d}",
                user_id=f"u{play % 5}",
                type=EventType.PLAY,
                occurred_at_ms=START_MS + 60_000 * play,
                track_id=f"t{track}",
                ms_played=200_000,
            )
            lines.write(event.encode() + b"\n")
    return path


def passed(ablation: Ablation, log: Path) -> AblationResult:
    return measured(ablation, log, limit=None, unscored=100, encoders=(), baselines={}, stretch=100)


def test_every_ablation_changes_settings_that_there_are() -> None:
    known = {field.name for field in fields(RankingSettings)}
    for ablation in ABLATIONS:
        assert set(ablation.changes) <= known
        assert not ablation.changes or replace(RankingSettings(), **ablation.changes) != RankingSettings()


def test_names_are_unique_and_the_first_row_is_everything() -> None:
    assert len({ablation.name for ablation in ABLATIONS}) == len(ABLATIONS)
    assert ABLATIONS[0] == EVERYTHING


def test_the_course_of_a_pass_has_a_point_per_stretch_whose_mean_is_the_figure(log: Path) -> None:
    result = passed(EVERYTHING, log)
    cases = result.figures["musicrec"]["all"]["events"]
    points = result.points["musicrec"]
    assert len(points) == cases // 100
    assert 0.0 < points[0][1] <= points[0][0] <= 1.0


def test_a_part_that_is_left_out_is_missed(log: Path) -> None:
    silent = {field.name: 0.0 for field in fields(RankingSettings) if field.name.startswith("weight_")}
    only_popular = Ablation("popular", silent | {"weight_popular": 1.0, "ranked_candidates": 0})
    everything, popular = passed(EVERYTHING, log), passed(only_popular, log)
    assert everything.figures["musicrec"]["all"]["mrr@20"] > popular.figures["musicrec"]["all"]["mrr@20"] + 0.1


def test_what_feedback_weighs_is_left_out_where_there_is_feedback(log: Path, tmp_path: Path) -> None:
    (of_feedback,) = (each for each in ABLATIONS if each.is_of_feedback)
    assert of_feedback not in ablations_of(log)
    lines = log.read_bytes().splitlines()
    plays = [ListenEvent.decode(line) for line in lines]
    saves = [
        ListenEvent(
            event_id=f"save-{play.event_id}",
            user_id=play.user_id,
            type=EventType.SAVE,
            occurred_at_ms=play.occurred_at_ms + 1,
            track_id=play.track_id,
        )
        for play in plays
        if play.track_id in ("t3", "t7")
    ]
    liked = tmp_path / "with-saves.jsonl"
    liked.write_bytes(b"".join(event.encode() + b"\n" for event in (*plays, *saves)))
    assert of_feedback in ablations_of(liked)
    everything, without = (passed(each, liked).figures["musicrec"]["all"] for each in (EVERYTHING, of_feedback))
    assert everything["events"] == without["events"]
    assert everything["mrr@20"] != without["mrr@20"]


def test_the_page_has_a_row_per_pass(log: Path) -> None:
    page = ablations_page([passed(EVERYTHING, log), passed(NO_RANKER, log)], "300 cases.", "ablations.svg")
    assert "| **nothing: everything** |" in page
    assert f"| {NO_RANKER.name} |" in page
    assert "![HR@20 and MRR@20 over the stream](ablations.svg)" in page


def test_the_picture_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    courses = {"musicrec": [(0.3, 0.1), (0.4, 0.2)], "vstan": [(0.2, 0.1), (0.3, 0.1)]}
    for name in ("a.svg", "b.svg"):
        draw_course(courses, 100, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"vstan" in (tmp_path / "a.svg").read_bytes()
