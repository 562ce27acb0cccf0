"""A ranker on disk: what lessons taught, and what it was taught by."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from listening import Listening
from safetensors.numpy import load, save
from tiny_ranker import taught, written

from musicrec.cli.train_ranker import command
from musicrec.contracts import EventType, ListenEvent
from musicrec.errors import BadInput, Incompatible
from musicrec.ranker_files import (
    FEATURES_BY_NAME,
    MANIFEST,
    WEIGHTS,
    is_ranker,
    read_ranker,
)
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.beginning import Beginning
from musicrec.recommend.ranking_features import FEATURES
from musicrec.recommend.state import State, joined
from musicrec.sequence.encoder_files import Unreadable

SMALL = RankingSettings(max_sessions=100, max_listeners=10)


def test_a_recommender_that_begins_with_it_is_taught_the_same(tmp_path: Path) -> None:
    teacher, pupil = taught(), Recommender(SMALL)
    manifest = written(tmp_path / "ranker", teacher)
    found = read_ranker(tmp_path / "ranker")
    found.teach(pupil)
    assert found.manifest == manifest
    assert (manifest.lessons, manifest.events) == (20, 40)
    before, after = joined(teacher.networks_state()), joined(pupil.networks_state())
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert np.array_equal(array, after[name])


def test_the_names_of_the_features_account_for_every_input() -> None:
    assert sum(FEATURES_BY_NAME.values()) == FEATURES


def test_lists_name_the_ranker_that_theirs_began_with(tmp_path: Path) -> None:
    manifest, pupil, world = written(tmp_path, taught()), Recommender(SMALL), Listening()
    snapshot = world.play("ann", "a")
    assert pupil.rank(snapshot).model_version == SMALL.version()
    read_ranker(tmp_path).teach(pupil)
    assert pupil.rank(snapshot).model_version == f"{SMALL.version()}+{manifest.version}"


def test_a_ranker_that_scores_what_is_no_number_is_refused_before_any_list(tmp_path: Path) -> None:
    teacher = taught()
    state = joined(teacher.networks_state()) | {"ranker.outer": np.full(32, 3e38, np.float32)}
    teacher.begin_with(State(state), Beginning())
    written(tmp_path, teacher)
    pupil = Recommender(SMALL)
    before = joined(pupil.taught_state())
    with pytest.raises(Incompatible, match="its scores are no numbers"):
        read_ranker(tmp_path).teach(pupil)
    assert all(np.array_equal(array, before[name]) for name, array in joined(pupil.taught_state()).items())


def test_another_manifest_than_the_announced_one_is_refused(tmp_path: Path) -> None:
    written(tmp_path, taught())
    with pytest.raises(Incompatible, match="is not the announced 000000000000…; copy it again"):
        read_ranker(tmp_path, "0" * 64)
    digest = hashlib.sha256((tmp_path / MANIFEST).read_bytes()).hexdigest()
    assert read_ranker(tmp_path, digest, announced_at_ms=7).beginning.announced_at_ms == 7


def test_what_is_still_being_copied_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    written(tmp_path, taught())
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(Unreadable, match=r"ranker\.safetensors: cannot read it"):
        read_ranker(tmp_path)


def test_a_folder_is_known_for_a_ranker_s_by_its_manifest(tmp_path: Path) -> None:
    assert not is_ranker(tmp_path)
    written(tmp_path, taught())
    assert is_ranker(tmp_path)
    for other in ("[", "[]", '{"model": "gru", "tracks": 3}'):
        (tmp_path / MANIFEST).write_text(other)
        assert not is_ranker(tmp_path)


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
        ("format", 1, "format 1, this release reads 2"),
        ("features", {**FEATURES_BY_NAME, "past": 22}, "other features of a candidate .* differ in past;"),
        ("features", {"tempo": 1, **FEATURES_BY_NAME}, "they differ in tempo;"),
        ("features", dict(reversed(FEATURES_BY_NAME.items())), "they differ in their order;"),
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
