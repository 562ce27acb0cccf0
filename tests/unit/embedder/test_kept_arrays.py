"""Arrays that are kept by the content of the file that they were made from."""

from pathlib import Path

import numpy as np

from embedder.kept_arrays import Arrays, KeptArrays


def test_what_was_made_of_a_file_is_read_until_the_file_or_the_making_changes(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Arrays:
        made.append(len(made))
        return {"x": np.full(2, len(made))}

    file, kept = tmp_path / "a.wav", KeptArrays(tmp_path / "kept", "v1")
    file.write_bytes(b"one")
    assert kept.of(file, make)["x"].tolist() == kept.of(file, make)["x"].tolist() == [1, 1]
    file.write_bytes(b"two")
    assert kept.of(file, make)["x"].tolist() == [2, 2]
    assert KeptArrays(tmp_path / "kept", "v2").of(file, make)["x"].tolist() == [3, 3]
    file.write_bytes(b"one")
    assert kept.of(file, make)["x"].tolist() == [1, 1]


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    file, kept = tmp_path / "a.wav", KeptArrays(tmp_path / "kept", "v1")
    file.write_bytes(b"one")
    kept.of(file, lambda: {"x": np.ones(3)})
    (written,) = (tmp_path / "kept").iterdir()
    written.write_bytes(written.read_bytes()[:20])
    assert kept.of(file, lambda: {"x": np.ones(3)})["x"].tolist() == [1, 1, 1]
