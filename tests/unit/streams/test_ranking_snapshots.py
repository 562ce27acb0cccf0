"""A ranking worker's memory on disk: what is read back, and what is refused."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiokafka import TopicPartition
from listening import Listening

from musicrec.contracts import Track
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.variants import Variants
from musicrec.snapshot_folder import MAX_AGE_MS, manifest_sum
from streams.ranking_snapshots import Learned, RankingSnapshot, RankingSnapshots
from streams.running_sessions import RunningSessions
from streams.snapshot_keeper import take

NOW_MS = 1_760_000_000_000
CHOSEN = RankingSettings(max_sessions=100, max_tracks=500, ranker_lesson_every=1)
OFFSETS = {TopicPartition("musicrec.sessions.v1", 3): 17, TopicPartition("musicrec.tracks.v1", 0): 0}


def nothing(chosen: RankingSettings = CHOSEN) -> Learned:
    return Learned(Variants(Recommender(chosen)), RunningSessions())


def learned(plays: int = 30) -> Learned:
    made, world = nothing(), Listening()
    made.recommender.add_track(Track(track_id="только что", artist_id="artist"))
    for number in range(plays):
        snapshot = world.play(f"user-{number % 3}", f"t{number % 7}", f"artist-{number % 2}", skip=number % 5 == 0)
        made.running.put(snapshot, snapshot.encode())
        made.recommender.learn(snapshot)
    return made


def snapshots(root: Path, origin: str = "these", new: Callable[[], Learned] = nothing) -> RankingSnapshots:
    return RankingSnapshots(root, origin, new)


def save(root: Path, what: Learned, now_ms: int = NOW_MS) -> Path:
    return snapshots(root).save(take(what.state(), 0), OFFSETS, what.counts(), now_ms=now_ms)


def load(root: Path, now_ms: int = NOW_MS) -> RankingSnapshot | None:
    return snapshots(root).load(now_ms=now_ms)


@pytest.mark.parametrize("plays", [0, 30])
def test_loaded_snapshot_holds_what_was_saved_and_its_places(tmp_path: Path, plays: int) -> None:
    before = learned(plays)
    folder = save(tmp_path, before)
    loaded = load(tmp_path)
    assert loaded is not None
    assert (loaded.offsets, loaded.created_at_ms) == (OFFSETS, NOW_MS)
    again = save(tmp_path, loaded.learned, NOW_MS + 1)
    files = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert files == {path.name for path in again.iterdir()} - {"manifest.json"}
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in files)
    running = loaded.learned.running.get("user-0")
    assert running == before.running.get("user-0")
    if running is not None:
        assert loaded.learned.recommender.rank(running).items == before.recommender.rank(running).items


@pytest.mark.row(28)
def test_files_are_arrays_that_anybody_can_read_without_unpickling(tmp_path: Path) -> None:
    folder = save(tmp_path, learned())
    names = np.load(folder / "recommender.knowledge.catalogue.track_ids_utf8.npy", allow_pickle=False)  # noqa: TID251
    assert names.tobytes().decode().startswith("только чтоt0t1")


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "bit":
            place = len(content) // 2
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        case "truncated":
            path.write_bytes(content[:-1])
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()


@pytest.mark.row(25)
@pytest.mark.parametrize("how", ["bit", "truncated", "empty", "missing"])
def test_damage_to_any_file_is_named_in_one_line_and_the_older_snapshot_is_taken(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, learned(10))
    files = sorted(save(tmp_path, learned(), NOW_MS + 1).iterdir())
    # Each file is summed; the ways to damage one differ in what reading it meets.
    for path in files if how == "bit" else [files[0], files[-1], files[0].with_name("manifest.json")]:
        good = path.read_bytes()
        damaged(path, how)
        caplog.clear()
        loaded = load(tmp_path)
        assert loaded is not None
        assert loaded.created_at_ms == NOW_MS
        (record,) = caplog.records
        assert str(path.parent) in record.getMessage()
        assert path.name in record.getMessage() or path.name == "manifest.json"
        path.write_bytes(good)
    assert load(tmp_path).created_at_ms == NOW_MS + 1  # type: ignore[union-attr]


def test_other_settings_or_other_topics_have_no_use_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, learned())
    other = replace(CHOSEN, max_sessions=101)
    assert snapshots(tmp_path, new=lambda: nothing(other)).load(now_ms=NOW_MS) is None
    assert f"its model_version is {CHOSEN.version()}; this worker's is {other.version()}" in caplog.text
    assert snapshots(tmp_path, origin="those").load(now_ms=NOW_MS) is None
    assert "its origin is these; this worker's is those" in caplog.text


def test_snapshot_from_before_the_tombstones_were_compacted_away_is_refused(tmp_path: Path) -> None:
    save(tmp_path, learned())
    assert load(tmp_path, NOW_MS + MAX_AGE_MS) is not None
    assert load(tmp_path, NOW_MS + MAX_AGE_MS + 1) is None


def test_array_of_another_shape_is_refused_by_its_name_even_where_the_sums_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path, learned())
    name = "recommender.ranker.outer.npy"
    np.save(folder / name, np.zeros(3, np.float32))
    content = json.loads((folder / "manifest.json").read_text())
    content["manifest"]["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    content["sha256"] = manifest_sum(content["manifest"])
    (folder / "manifest.json").write_text(json.dumps(content))
    assert load(tmp_path) is None
    assert "recommender.ranker.outer is float32[3]; float32[32] is needed" in caplog.text
