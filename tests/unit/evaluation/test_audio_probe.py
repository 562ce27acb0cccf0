"""Splits that keep groups together, and classifiers that are tuned within what they learn."""

from pathlib import Path

import numpy as np
import pytest

from musicrec.errors import BadInput
from musicrec.evaluation.audio import read_labels
from musicrec.evaluation.audio_probe import CHOSEN, Probed, probe
from musicrec.evaluation.audio_probes import OURS, draw_confusion, figures_of, probe_splits
from musicrec.evaluation.audio_splits import FOLDS, Split, folds, usable
from musicrec.evaluation.clip_features import ClipFeatures

LABELS = [label for label in "abc" for _ in range(10)]


def rows_of(labels: list[str], noise: float, seed: int) -> np.ndarray:
    places = {label: place for place, label in enumerate(sorted(set(labels)))}
    noisy = noise * np.random.default_rng(seed).standard_normal((len(labels), 4))
    return (np.eye(4)[[places[label] for label in labels]] + noisy).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_every_example_is_asked_about_once_and_no_group_is_on_both_sides(seed: int) -> None:
    groups = [f"{label}{place % 5}" for place, label in enumerate(LABELS)]
    asked_about = []
    for learned, asked in folds(LABELS, groups, seed):
        assert not {groups[place] for place in learned} & {groups[place] for place in asked}
        asked_about += asked.tolist()
    assert sorted(asked_about) == list(range(len(LABELS)))


def test_there_are_as_many_folds_as_the_rarest_label_has_groups() -> None:
    labels = ["a"] * 6 + ["b"] * 4
    groups = ["p", "p", "q", "q", "r", "r", "s", "s", "t", "t"]
    found = list(folds(labels, groups, 0))
    assert len(found) == 2
    assert all({labels[place] for place in learned} == {"a", "b"} for learned, _ in found)
    probed = probe(rows_of(labels, 0.1, 1), labels, groups, repeats=1, names=("svm",))
    assert set(probed[CHOSEN].guesses[0]) <= {"a", "b"}


def test_where_groups_leave_one_label_to_learn_it_is_guessed() -> None:
    labels, groups = ["a"] * 15 + ["b"] * 11, ["p"] * 11 + ["q"] + ["r"] * 4 + ["s"] * 10
    learned = [{labels[place] for place in learned} for seed in range(3) for learned, _ in folds(labels, groups, seed)]
    assert {"a"} in learned
    probed = probe(rows_of(labels, 0.1, 1), labels, groups, repeats=3, names=("svm",))
    assert all(set(guesses) <= {"a", "b"} for guesses in probed["svm"].guesses)


def test_another_seed_makes_other_folds() -> None:
    one, other = ([asked.tolist() for _, asked in folds(LABELS, range(30), seed)] for seed in (0, 1))
    assert one != other
    assert len(one) == FOLDS


def test_labels_with_too_few_groups_are_left_out() -> None:
    assert usable(["a", "a", "b", "b", "c"], ["x", "y", "x", "z", "w"], 2).tolist() == [0, 1, 2, 3]
    with pytest.raises(BadInput, match="1 labels have 2 groups or more, of 2"):
        usable(["a", "a", "b"], ["x", "y", "x"], 2)


def test_a_repeat_is_counted_over_all_examples_and_over_labels() -> None:
    probed = Probed()
    probed.add(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    # Precision of a: 2/2, of b: 1/2; recall of a: 2/3, of b: 1/1; F1: 4/5 and 2/3.
    expected = {"accuracy": 3 / 4, "precision": 3 / 4, "recall": 5 / 6, "f1": (4 / 5 + 2 / 3) / 2}
    assert probed.figures() == pytest.approx(expected)


def test_what_tells_labels_apart_is_learned_and_noise_is_not() -> None:
    told = probe(rows_of(LABELS, 0.1, 1), LABELS, range(30), repeats=1, names=("svm",))
    noise = probe(rows_of(["a"] * 30, 1.0, 1), LABELS, range(30), repeats=1, names=("svm",))
    assert told[CHOSEN].figures()["accuracy"] == 1.0
    assert noise[CHOSEN].figures()["accuracy"] < 0.7
    assert told[CHOSEN].guesses == told["svm"].guesses


def test_segments_at_random_leak_and_are_labelled_as_leaky(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    clip_of = np.repeat(np.arange(30), 4)
    # A track is known by its own sound alone, which says nothing of its label.
    own = rng.standard_normal((30, 8)).astype(np.float32)
    segments = own[clip_of] + 0.05 * rng.standard_normal((120, 8)).astype(np.float32)
    features = ClipFeatures(own, own, own, own, segments, segments, clip_of)
    probes = probe_splits(features, LABELS, (), repeats=1, work=tmp_path)
    assert list(probes) == ["by track", "segments at random (leaky)", "segments by track"]
    figures = figures_of(probes)
    leaky, honest = (figures[split][OURS]["svm"]["accuracy"] for split in (Split.SEGMENT, "segments by track"))
    assert leaky > 0.95
    assert honest < 0.7
    draw_confusion(probes[Split.TRACK], tmp_path / "confusion.svg")
    assert (tmp_path / "confusion.svg").read_text().startswith("<?xml")


def test_a_group_column_is_read_and_a_clip_without_one_is_its_own(tmp_path: Path) -> None:
    for name in ("1.ogg", "2.ogg", "3.ogg"):
        (tmp_path / name).touch()
    (tmp_path / "t.tsv").write_text("file\tgenre\tartist\n1.ogg\tx\tann\n2.ogg\ty\t\n3.ogg\tx\tann\n", encoding="utf-8")
    assert read_labels(tmp_path, tmp_path / "t.tsv", "genre", "artist").groups == ("ann", "2.ogg", "ann")
    with pytest.raises(BadInput, match="no column 'album'"):
        read_labels(tmp_path, tmp_path / "t.tsv", "genre", "album")
