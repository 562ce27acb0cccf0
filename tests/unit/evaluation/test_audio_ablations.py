"""Parts that are left out, small trainings that are kept, pictures, and the page."""

from pathlib import Path

import numpy as np
import pytest
import torch
from invented_catalogue import invented_catalogue

from embedder.checkpoint import load_weights, shipped_weights
from embedder.features.descriptors import BLOCKS, N_DESCRIPTORS
from embedder.training.trainer import EpochReport
from musicrec.evaluation.audio_ablations import LEFT_OUT, VARIANTS, TrainingSize, Variant, trained_small, without_parts
from musicrec.evaluation.audio_document import AudioFindings, audio_page, table
from musicrec.evaluation.audio_pictures import draw_features
from musicrec.evaluation.audio_splits import Split

pytestmark = pytest.mark.torch


def test_what_is_left_out_exists_and_is_left_out_once() -> None:
    blocks = [block for blocks in LEFT_OUT.values() for block in blocks]
    assert len(blocks) == len(set(blocks))
    assert set(blocks) <= BLOCKS.keys()


def test_a_part_alone_is_told_by_it_alone_and_what_is_left_out_does_not_matter() -> None:
    network, manifest = load_weights(shipped_weights(), torch.device("cpu"))
    rng = np.random.default_rng(2)
    descriptors = network.descriptor_mean.numpy() + rng.standard_normal((3, N_DESCRIPTORS)).astype(np.float32)
    vectors = rng.standard_normal((3, manifest.shape.dimension)).astype(np.float32)
    found = without_parts(network, descriptors, vectors)
    assert found["learned part alone"].shape == (3, manifest.learned)
    ends = dict(zip(BLOCKS, np.cumsum(list(BLOCKS.values())), strict=True))
    changed = descriptors.copy()
    changed[:, ends["harmony"] - BLOCKS["harmony"] : ends["harmony"]] += 1.0
    again = without_parts(network, changed, vectors)
    np.testing.assert_array_equal(again["descriptors without notes"], found["descriptors without notes"])
    assert not np.allclose(again["descriptors without rhythm"], found["descriptors without rhythm"])


def test_variants_have_names_of_their_own() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    assert Variant("light", "mix+harmonic").name == "light, mix + harmonic"


def test_a_variant_is_trained_once_and_then_read(tmp_path: Path) -> None:
    size = TrainingSize(styles=2, tracks=2, held_out=1, epochs=1, styles_per_batch=2)
    reports: list[EpochReport] = []
    catalogue, labels = invented_catalogue(4), ["a", "a", "b", "b"]
    first = trained_small(Variant("light", "mix"), size, catalogue, labels, tmp_path, reports.append)
    assert len(reports) == 1
    assert trained_small(Variant("light", "mix"), size, catalogue, labels, tmp_path, reports.append) == first
    assert len(reports) == 1
    assert 0 <= first["precision@5"] <= 1


def test_the_features_of_a_track_are_drawn_the_same_every_time(tmp_path: Path) -> None:
    draw_features(tmp_path / "one.svg")
    draw_features(tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_page_marks_the_leaky_split_and_leaves_empty_what_was_not_measured() -> None:
    row = {"accuracy": 0.5, "precision": 0.4, "recall": 0.3, "f1": 0.2}
    page = audio_page(
        AudioFindings(
            about="2 clips",
            label="soundtrack",
            chance=0.1,
            vectors={"musicrec": 0.344},
            adapted={"heard": {"whole": 0.4}},
            repeats=3,
            parts={"everything": 0.3},
            size="2 styles",
            trained={
                "light": {"precision@5": 0.1, "precision@5_vector": 0.2, "style_precision@1": 0.3, "parameters": 7e5}
            },
            pruned={"50%": {"mmac": 50.0, "overlap@10": 0.9, "overlap@10_learned": 0.8, "same_class": 0.7}},
            pruning={"epochs": 2, "segments": 10},
            probes={
                Split.TRACK.value: {"mfcc": {"svm": row, "mlp": row, "chosen": row}},
                Split.SEGMENT.value: {"mfcc": {"svm": row, "chosen": row}},
            },
            pictures={"confusion": "c.svg", "features": "f.svg"},
        )
    )
    assert "| musicrec | 0.344 |" in page
    assert "| heard | 0.400 |  |" in page
    assert "| **segments at random (leaky)** | mfcc | svm | 0.500 | 0.400 | 0.300 | 0.200 |" in page
    assert page.count("| chosen |") == 1  # of one classifier, there is nothing to choose
    assert "0.7 M" in page
    assert "![Which soundtrack is taken for which](c.svg)" in page


def test_a_table_has_a_row_per_row() -> None:
    assert table(("a", "b"), [("x", 1.0), ("y", None)]) == "| a | b |\n|---|---|\n| x | 1.000 |\n| y |  |\n"
