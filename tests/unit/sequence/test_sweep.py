"""Encoders of several settings and inputs, side by side on the same sessions."""

from dataclasses import replace
from pathlib import Path

import pytest

from musicrec.sequence.contexts import context_of
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.model import Model
from musicrec.sequence.sweep import Choice, Inputs, grid, swept
from musicrec.sequence.sweep_document import draw_sweep, sweep_page
from musicrec.sequence.trainer import TrainingSettings

pytestmark = pytest.mark.torch

SMALL = TrainingSettings(dimension=16, epochs=4, negatives=32, places=256, dropout=0.0, learning_rate=1e-2)
PLAYED, SKIPPED = context_of(False, 200), context_of(True, 4)
LEARNED = [HeardSession(["a", "b", "c", "d"], [0, PLAYED, SKIPPED, PLAYED], 0)] * 60
HELD_OUT = [HeardSession(["a", "b", "new", "d"], [0, PLAYED, PLAYED, PLAYED], 0)] * 5
ARTISTS = {"a": "ann", "b": "ann", "c": "ben", "d": "ben", "new": "ben"}


def test_a_grid_has_every_dimension_with_every_rate_and_each_has_a_name_of_its_own() -> None:
    choices = grid(SMALL, [8, 16], [0.1, 0.01, 0.001])
    assert [(c.settings.dimension, c.settings.learning_rate) for c in choices] == [
        (d, rate) for d in (8, 16) for rate in (0.1, 0.01, 0.001)
    ]
    everything = [*choices, *(Choice(SMALL, inputs) for inputs in Inputs), Choice(replace(SMALL, model=Model.GRU))]
    assert (
        len({choice.name for choice in everything}) == len(set(everything)) == 6 + 3 + 1
    )  # one of the grid's is SMALL


@pytest.mark.parametrize(
    ("inputs", "tracks", "contexts"),
    [
        (Inputs.ALL, "abcd", [0, PLAYED, SKIPPED, PLAYED]),
        (Inputs.NO_GAPS, "abcd", [0, 0, context_of(True, 0), 0]),
        (Inputs.NO_SKIPS, "abd", [0, 0, 0]),
        (Inputs.NO_ARTISTS, "abcd", [0, PLAYED, SKIPPED, PLAYED]),
    ],
)
def test_an_input_that_is_left_out_is_not_read(inputs: Inputs, tracks: str, contexts: list[int]) -> None:
    read = inputs.of(LEARNED[0])
    assert (read.tracks, read.contexts) == (list(tracks), contexts)


def test_what_cannot_be_answered_is_a_miss_and_a_track_that_is_new_is_found_by_its_artist(tmp_path: Path) -> None:
    with_artists = swept(Choice(SMALL), LEARNED, HELD_OUT, ARTISTS, tmp_path)
    without = swept(Choice(SMALL, Inputs.NO_ARTISTS), LEARNED, HELD_OUT, ARTISTS, tmp_path)
    assert with_artists.figures["cases"] == without.figures["cases"] == 15
    assert with_artists.figures["hr@20"] == 1.0  # of five tracks
    assert without.figures["hr@20"] == pytest.approx(2 / 3)  # "new" has no place


def test_what_was_found_before_is_not_trained_again(tmp_path: Path) -> None:
    first = swept(Choice(SMALL), LEARNED, HELD_OUT, ARTISTS, tmp_path)
    again = swept(Choice(SMALL), LEARNED, HELD_OUT, ARTISTS, tmp_path)
    assert again == first  # the microseconds too
    assert swept(Choice(SMALL), LEARNED, HELD_OUT, {}, tmp_path).figures != first.figures


def test_a_page_has_a_row_per_choice_and_its_picture_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    of_grid = grid(replace(SMALL, epochs=1), [8, 16], [0.01])
    compared = of_grid[1]
    others = [Choice(replace(compared.settings, model=Model.GRU)), Choice(compared.settings, Inputs.NO_GAPS)]
    results = {choice: swept(choice, LEARNED, HELD_OUT, ARTISTS, tmp_path) for choice in [*of_grid, *others]}
    page = sweep_page(results, of_grid, compared, "On this.", "picture.svg")
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|") and "---" not in line]
    assert rows == ["dimension", "8", "16", "model", "attention", "gru", "inputs", "all", "without gaps"]
    assert "![HR@20 and MRR@20 by learning rate](picture.svg)" in page
    for name in ("one.svg", "two.svg"):
        draw_sweep(results, of_grid, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
