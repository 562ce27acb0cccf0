"""A ranker on disk: what lessons taught, and what it was taught by."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from musicrec.cli.train_ranker import command
from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput, Incompatible
from musicrec.ranker_files import MANIFEST, WEIGHTS, RankerManifest, read_ranker, write_ranker
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.ranking_features import FEATURES
from musicrec.recommend.state import joined

SMALL = RankingSettings(max_sessions=100, max_listeners=10)


def taught(hidden: int = 32) -> Recommender:
    recommender = Recommender(RankingSettings(max_sessions=100, max_listeners=10, ranker_hidden=hidden))
    random, scores = np.random.default_rng(1), np.zeros(10)
    for _ in range(20):
        features = random.random((10, FEATURES)).astype(np.float32)
        recommender.ranker.train(features, random.random(10) + 0.1, 10, 3, 1.0, scores)
        recommender.skips.train(features, 3, was_skipped=True)
    return recommender


def written(folder: Path, recommender: Recommender) -> RankerManifest:
    return write_ranker(folder, recommender, events=40, learned_from_ms=1, learned_until_ms=2, metrics={})


def test_a_recommender_that_begins_with_it_is_taught_the_same(tmp_path: Path) -> None:
    teacher, pupil = taught(), Recommender(SMALL)
    manifest = written(tmp_path / "ranker", teacher)
    found = read_ranker(tmp_path / "ranker")
    found.teach(pupil)
    assert found.manifest == manifest
    assert (manifest.lessons, manifest.events) == (20, 40)
    before, after = joined(teacher.taught_state()), joined(pupil.taught_state())
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert np.array_equal(array, after[name])


def test_other_lessons_have_another_version(tmp_path: Path) -> None:
    assert written(tmp_path / "a", taught()).version != written(tmp_path / "b", Recommender(SMALL)).version


def test_a_ranker_of_other_shapes_is_refused_by_its_folder(tmp_path: Path) -> None:
    written(tmp_path / "ranker", taught(hidden=8))
    with pytest.raises(Incompatible, match=f"{tmp_path}/ranker: not a ranker for these settings: ranker.inner is"):
        read_ranker(tmp_path / "ranker").teach(Recommender(SMALL))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, taught())
    path = tmp_path / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(Incompatible, match=r"ranker\.safetensors: sha256 .* is not the manifest's"):
        read_ranker(tmp_path)


def test_a_weight_that_is_no_number_is_refused(tmp_path: Path) -> None:
    written(tmp_path, taught())
    arrays = dict(load((tmp_path / WEIGHTS).read_bytes()))
    arrays["ranker.bias"] = np.full_like(arrays["ranker.bias"], np.nan)
    signed(tmp_path, save(arrays))
    with pytest.raises(Incompatible, match=r"ranker\.bias holds what is not a number"):
        read_ranker(tmp_path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, taught())
    signed(tmp_path, b"not what it says")
    with pytest.raises(Incompatible, match="not safetensors"):
        read_ranker(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("format", 9, "format 9, this release reads 1"),
        ("features", 5, f"it sees 5 features of a candidate, this release has {FEATURES}"),
        ("lessons", "many", "not a manifest of a ranker"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, field: str, value: object, why: str) -> None:
    written(tmp_path, taught())
    path = tmp_path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(Incompatible, match=why):
        read_ranker(tmp_path)


def test_a_folder_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match="name a folder that `musicrec train ranker` wrote"):
        read_ranker(tmp_path / "nothing")


def test_the_command_learns_from_a_log_as_workers_do(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with log.open("wb") as lines:
        for play in range(300):
            event = ListenEvent(
                event_id=f"e{play:04d}",
                user_id=f"u{play % 5}",
                type=EventType.PLAY,
                occurred_at_ms=1_700_000_000_000 + 60_000 * play,
                track_id=f"t{play // 5 % 7}",
                ms_played=200_000,
            )
            lines.write(event.encode() + b"\n")
    command(tmp_path / "ranker", log=log, limit=None, measured=100, encoder=None)
    manifest = read_ranker(tmp_path / "ranker").manifest
    assert manifest.events == 300
    assert 0 < manifest.lessons < 300
    assert manifest.metrics["events"] == 100
    assert manifest.learned_until_ms - manifest.learned_from_ms == 60_000 * 299


def test_an_empty_log_teaches_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(BadInput, match="no event to learn from"):
        command(tmp_path / "ranker", log=tmp_path / "log.jsonl", limit=None, measured=0, encoder=None)


def signed(folder: Path, weights: bytes) -> None:
    """Put other weights in, with a manifest that vouches for them."""
    (folder / WEIGHTS).write_bytes(weights)
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": hashlib.sha256(weights).hexdigest()}))
