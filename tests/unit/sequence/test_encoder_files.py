"""An encoder on disk: refused with a reason where it is not what its manifest says."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from musicrec.errors import Incompatible
from musicrec.sequence.encoder_files import (
    ARTIST_VECTORS,
    ARTISTS,
    AUDIO,
    MANIFEST,
    NETWORK,
    TRACKS,
    VECTORS,
    WEIGHTS,
    Unreadable,
    manifest_sha256,
    read_encoder,
    write_encoder,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "encoder")


def written(
    folder: Path, *, rows: int = 3, dimension: int = 4, size: float = 1.0, ids: object = ("a", "b", "ü")
) -> Path:
    vectors = np.eye(3, 4, dtype=np.float16) * np.float16(size)
    tensors = {
        VECTORS: vectors,
        ARTIST_VECTORS: vectors[:1],
        f"{NETWORK}last.weight": np.eye(2, dtype=np.float32),
        f"{AUDIO}alone": np.ones((3, 4), np.float32),
    }
    files = {WEIGHTS: save(tensors), TRACKS: json.dumps(ids).encode(), ARTISTS: b'["ann"]'}
    write_encoder(
        folder,
        files,
        model="gru",
        dimension=dimension,
        scale=16.0,
        longest=30,
        tracks=rows,
        artists=1,
        sessions=7,
        trained_until_ms=5,
        training={"seed": 1},
        metrics={},
    )
    return folder


def test_what_was_written_is_read(folder: Path) -> None:
    found = read_encoder(folder)
    assert found.track_ids == ["a", "b", "ü"]
    assert np.array_equal(found.vectors, np.eye(3, 4, dtype=np.float16))
    assert found.artist_ids == ["ann"]
    assert np.array_equal(found.artist_vectors, np.eye(1, 4, dtype=np.float16))
    assert {name: tensor.tolist() for name, tensor in found.network.items()} == {"last.weight": [[1, 0], [0, 1]]}
    assert {name: tensor.shape for name, tensor in found.audio.items()} == {"alone": (3, 4)}
    assert found.manifest.version.startswith("gru-")


def test_weights_keep_no_vectors_of_tracks_in_memory(folder: Path) -> None:
    found = read_encoder(folder)
    assert all(tensor.base is None for tensor in [*found.network.values(), *found.audio.values()])


def test_another_content_has_another_version(folder: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other")
    assert read_encoder(other).manifest.version == read_encoder(folder).manifest.version
    (other / ARTISTS).write_bytes(b"another")
    sums = json.loads((other / MANIFEST).read_text())
    sums["sha256"][ARTISTS] = "0" * 64
    (other / MANIFEST).write_text(json.dumps(sums))
    with pytest.raises(Incompatible, match="copy it again"):
        read_encoder(other)


@pytest.mark.parametrize("name", [WEIGHTS, ARTISTS, TRACKS])
def test_a_damaged_or_missing_file_is_named(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(Incompatible, match=f"{name}: sha256 .* is not the manifest's"):
        read_encoder(folder)
    (folder / name).unlink()
    with pytest.raises(Incompatible, match=f"{name}: cannot read it"):
        read_encoder(folder)


def test_a_folder_without_a_manifest_is_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match="name a folder that `musicrec train sequence` wrote"):
        read_encoder(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 9}, "format 9, this release reads 2"), ({"scale": "much"}, "not a manifest of an encoder")],
)
def test_a_manifest_of_something_else_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    found = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(found | change))
    with pytest.raises(Incompatible, match=message):
        read_encoder(folder)


@pytest.mark.parametrize("shape", [{"rows": 2}, {"dimension": 5}])
def test_vectors_that_do_not_fit_the_manifest_are_refused(tmp_path: Path, shape: dict[str, int]) -> None:
    with pytest.raises(Incompatible, match="3 ids and vectors float16"):
        read_encoder(written(tmp_path / "other", **shape))


def test_what_is_not_there_may_still_come_and_what_is_damaged_does_not_mend(folder: Path) -> None:
    (folder / ARTISTS).write_bytes(b"another")
    with pytest.raises(Incompatible) as damaged:
        read_encoder(folder)
    (folder / ARTISTS).unlink()
    with pytest.raises(Unreadable):
        read_encoder(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(Unreadable):
        read_encoder(folder)
    assert not isinstance(damaged.value, Unreadable)


def test_a_manifest_that_is_another_than_the_one_meant_is_refused(folder: Path) -> None:
    meant = manifest_sha256(folder)
    assert read_encoder(folder, meant).track_ids == ["a", "b", "ü"]
    found = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(found | {"scale": 17.0}))
    with pytest.raises(Incompatible, match=f"{MANIFEST}: sha256 .* is not the announced {meant[:12]}"):
        read_encoder(folder, meant)


@pytest.mark.parametrize("ids", [{"a": 1, "b": 2, "c": 3}, ["a", "b", 3], "abc"])
def test_ids_that_are_no_list_of_texts_are_refused(tmp_path: Path, ids: object) -> None:
    with pytest.raises(Incompatible, match="not a list of ids"):
        read_encoder(written(tmp_path / "other", ids=ids))


@pytest.mark.parametrize("size", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, size: float) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(Incompatible, match="not finite"):
        read_encoder(written(tmp_path / "other", size=size))
