"""What a snapshot survives, and what it must not."""

import fcntl
import json
from pathlib import Path

import numpy as np
import pytest

from index.faiss_index import FaissIndex, SearchConfig
from index.snapshot import IndexSnapshots
from musicrec.errors import Incompatible, Unavailable
from musicrec.snapshot_folder import MAX_AGE_MS, manifest_sum

DIMENSION = 16
NOW_MS = 1_760_000_000_000
CONFIG = SearchConfig(exact_below=200, probes=4)


def vectors(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, DIMENSION)).astype(np.float32)


def index_of(count: int) -> FaissIndex:
    index = FaissIndex(DIMENSION, "cnn-1", CONFIG)
    for number, vector in enumerate(vectors(count)):
        index.upsert(f'Tëst "{number}"', vector)
    index.remove('Tëst "3"')
    index.build()
    return index


def save(root: Path, index: FaissIndex, now_ms: int = NOW_MS) -> Path:
    return IndexSnapshots(root).save(index, offsets={0: 17, 5: 0}, newest_ms=NOW_MS - 5, now_ms=now_ms)


@pytest.mark.parametrize("count", [0, 1, 40, 400])
def test_loaded_snapshot_answers_as_the_index_did(tmp_path, count):
    index = index_of(count)
    save(tmp_path, index)
    loaded = IndexSnapshots(tmp_path).load(now_ms=NOW_MS, config=CONFIG)
    assert loaded is not None
    assert loaded.offsets == {0: 17, 5: 0}
    assert loaded.manifest.newest_ms == NOW_MS - 5
    assert (loaded.index.version, len(loaded.index)) == ("cnn-1", len(index))
    for query in vectors(5):
        assert loaded.index.search(query, 30) == index.search(query, 30)


def test_loaded_index_is_changed_like_any_other(tmp_path):
    folder = save(tmp_path, index_of(400))
    index = IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS, config=CONFIG).index
    index.upsert("new", -vectors(1)[0])
    assert index.search(-vectors(1)[0], 1) == [("new", 1.0)]
    assert index.remove('Tëst "7"')
    assert 'Tëst "7"' not in dict(index.search(vectors(8)[7], 400))
    assert not index.is_exact
    assert not index.build_is_due()


def test_folder_without_snapshots_gives_none(tmp_path):
    assert IndexSnapshots(tmp_path / "nothing").load(now_ms=NOW_MS) is None


@pytest.mark.row(25)
@pytest.mark.parametrize("name", ["vectors.faiss", "tracks.json", "manifest.json"])
def test_one_flipped_bit_anywhere_in_a_file_is_noticed(tmp_path, name):
    folder = save(tmp_path, index_of(40))
    content = (folder / name).read_bytes()
    for place in np.linspace(0, len(content) - 1, 25).astype(int):
        (folder / name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(Incompatible, match="is refused"):
            IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS)


@pytest.mark.row(25)
@pytest.mark.parametrize("name", ["vectors.faiss", "tracks.json", "manifest.json"])
def test_truncated_or_missing_file_is_noticed(tmp_path, name):
    folder = save(tmp_path, index_of(40))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(Incompatible, match=name.replace(".", r"\.") if name != "manifest.json" else "is refused"):
        IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS)
    (folder / name).unlink()
    with pytest.raises(Incompatible, match="No such file"):
        IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS)


@pytest.mark.row(25)
def test_corrupt_snapshot_gives_way_to_the_one_before_it(tmp_path, caplog):
    save(tmp_path, index_of(40))
    newer = save(tmp_path, index_of(60), NOW_MS + 1)
    (newer / "vectors.faiss").write_bytes(b"")
    loaded = IndexSnapshots(tmp_path).load(now_ms=NOW_MS + 1)
    assert loaded is not None
    assert loaded.manifest.tracks == 39
    assert "vectors.faiss is not what was written" in caplog.text


def test_snapshot_from_before_the_tombstones_were_compacted_away_is_refused(tmp_path):
    folder = save(tmp_path, index_of(40))
    IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS + MAX_AGE_MS)
    with pytest.raises(Incompatible, match="may hold removed tracks"):
        IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS + MAX_AGE_MS + 1)


@pytest.mark.row(43)
def test_snapshot_of_a_newer_format_is_refused_by_its_number(tmp_path):
    folder = save(tmp_path, index_of(40))
    content = json.loads((folder / "manifest.json").read_text())
    content["manifest"]["format"] = 2
    # With a sum that fits, as a newer release would write it.
    content["sha256"] = manifest_sum(content["manifest"])
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(Incompatible, match="format 2; this release reads format 1"):
        IndexSnapshots(tmp_path).load_one(folder, now_ms=NOW_MS)


@pytest.mark.row(26)
def test_only_the_newest_two_are_kept_and_leftovers_of_a_crash_are_removed(tmp_path):
    (tmp_path / ".writing-1").mkdir(parents=True)
    (tmp_path / ".writing-1" / "vectors.faiss").write_bytes(b"half")
    index = index_of(40)
    kept = [save(tmp_path, index, NOW_MS + number) for number in range(4)][2:]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".lock", *(path.name for path in kept)])


@pytest.mark.row(26)
def test_second_writer_is_turned_away(tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another process is writing"):
            save(tmp_path, index_of(40))


@pytest.mark.row(26)
def test_folder_that_cannot_be_written_is_unavailable_and_the_index_lives(tmp_path):
    (tmp_path / "file").write_text("in the way")
    index = index_of(40)
    with pytest.raises(Unavailable, match="index snapshot in"):
        save(tmp_path / "file", index)
    assert len(index.search(vectors(1)[0], 5)) == 5
