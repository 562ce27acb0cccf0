"""`musicrec diff` as a process: the same lists whatever process makes them, and clear words for what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from musicrec.contracts import EventType, ListenEvent
from musicrec.evaluation.comparison import Comparison, Side
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.prequential import PrequentialPass
from musicrec.recommend import Recommender


@pytest.fixture
def log(tmp_path: Path) -> Path:
    random, path = Random(3), tmp_path / "listens.jsonl"
    plays = [
        ListenEvent(
            event_id=f"e{number:06d}",
            user_id=f"u{random.randrange(6)}",
            type=EventType.PLAY,
            occurred_at_ms=1_700_000_000_000 + 45_000 * number,
            track_id=f"t{int(random.triangular(0, 40, 3))}",
            ms_played=170_000,
        )
        for number in range(500)
    ]
    path.write_bytes(b"\n".join(play.encode() for play in plays))
    return path


def diff(*arguments: object, seed: str = "0") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "musicrec.cli.main", "diff", *map(str, arguments)]
    variables = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=variables)


def figures(*arguments: object, seed: str) -> dict[str, Any]:
    done = diff(*arguments, "--json", seed=seed)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_another_process_makes_the_same_lists_as_this_one(log: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    here = Comparison(Side("a", Recommender()), Side("b", Recommender()))
    PrequentialPass(here).score(read_log(log))
    found = figures("default", empty, "--log", log, seed="1")
    assert (found["differ"], found["lists"]) == (0.0, here.figures()["lists"])
    digests = {made[side]["lists_digest"] for made in (found, here.figures()) for side in ("a", "b")}
    assert len(digests) == 1


def test_a_change_is_shown_and_a_misspelt_setting_is_named(log: Path, tmp_path: Path) -> None:
    other, wrong = tmp_path / "other.toml", tmp_path / "wrong.toml"
    other.write_text("weight_session_knn = 0\nartist_cap = 1\n")
    wrong.write_text("weight_sesion_knn = 0\n")
    shown = diff("default", other, "--log", log, "--limit", "300", "--unscored", "100")
    refused = diff(wrong, "default", "--log", log)
    assert shown.returncode == 0, shown.stderr
    assert "lists" in shown.stdout
    assert "played " in shown.stdout
    assert refused.returncode == 2
    assert (
        f"{wrong}: 'weight_sesion_knn' is no setting of the ranking, do you mean weight_session_knn?" in refused.stderr
    )
