"""Same-label precision of vectors."""

from pathlib import Path

import numpy as np
import pytest

from musicrec.errors import BadInput
from musicrec.evaluation.audio import chance_precision, precision_at_k, read_labels, standardise


def test_precision_is_the_mean_share_of_neighbours_with_the_label() -> None:
    angles = np.radians([0, 1, 2, 90, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # Nearest two: of the three "a" both are "a"; of the two "b" one is "b" and one is not.
    assert precision_at_k(vectors, ["a", "a", "a", "b", "b"], k=2) == pytest.approx((3 * 1 + 2 * 0.5) / 5)


def test_ties_count_against_us() -> None:
    assert precision_at_k(np.ones((4, 3)), ["a", "a", "b", "c"], k=1) == 0.0


def test_a_label_that_nobody_shares_counts_as_a_miss() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    assert precision_at_k(vectors, ["a", "a", "b"], k=1) == pytest.approx(2 / 3)


def test_with_fewer_clips_than_neighbours_all_others_are_neighbours() -> None:
    assert precision_at_k(np.eye(3), ["a", "a", "a"], k=5) == 1.0


def test_length_does_not_matter_and_a_vector_of_zeros_is_nobody_s_friend() -> None:
    vectors = np.array([[1.0, 0.0], [100.0, 1.0], [0.0, 0.0]])
    assert precision_at_k(vectors, ["a", "a", "a"], k=1) == 1.0
    assert precision_at_k(vectors, ["a", "b", "b"], k=1) == pytest.approx(0.0)


def test_chance_is_the_share_of_pairs_with_one_label() -> None:
    assert chance_precision(["a", "a", "b"]) == pytest.approx(2 / 6)


def test_standardised_columns_have_mean_zero_and_deviation_one_and_constants_vanish() -> None:
    standard = standardise(np.array([[1.0, 7.0], [3.0, 7.0]]))
    np.testing.assert_allclose(standard, [[-1, 0], [1, 0]])


def write_table(folder: Path, text: str) -> Path:
    for name in ("1.ogg", "2.ogg", "3.ogg"):
        (folder / name).touch()
    table = folder / "clips.tsv"
    table.write_text(text, encoding="utf-8")
    return table


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    table = write_table(tmp_path, "file\tgenre\n1.ogg\tx\n2.ogg\t\n3.ogg\ty\n")
    clips = read_labels(tmp_path, table, "genre")
    assert [path.name for path in clips.paths] == ["1.ogg", "3.ogg"]
    assert clips.labels == ("x", "y")
    assert clips.left_out == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\tgenre\n1.ogg\tx\n3.ogg\ty\n", "no column 'mood'; its columns are file, genre"),
        ("name\tmood\n1.ogg\tx\n", "no column 'file'"),
        ("", "its columns are none"),
        ("file\tmood\n1.ogg\tx\n9.ogg\ty\n", "'9.ogg', which is not in"),
        ("file\tmood\n1.ogg\tx\n2.ogg\t\n", "1 clips carry a 'mood'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    table = write_table(tmp_path, text)
    with pytest.raises(BadInput, match=message):
        read_labels(tmp_path, table, "mood")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.tsv: cannot be read"):
        read_labels(tmp_path, tmp_path / "none.tsv", "mood")
