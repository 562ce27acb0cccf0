"""Programs of min and max."""

import random
import statistics

import pytest

from embedder.features.selection_network import ranking_program, run, selection_program


@pytest.mark.parametrize(("window", "outputs"), [(1, 1), (3, 1), (3, 2), (5, 2), (17, 8), (31, 1), (31, 8), (31, 16)])
def test_each_output_is_the_median_of_its_window(window: int, outputs: int) -> None:
    program = selection_program(window, outputs)
    draw = random.Random(window * 100 + outputs)
    for _ in range(50):
        x = [draw.choice([draw.random(), 0.5]) for _ in range(program.inputs)]
        assert run(program, x, min, max) == [statistics.median(x[i : i + window]) for i in range(outputs)]


def test_ranks_are_those_of_a_sorted_list() -> None:
    program, draw = ranking_program(16, (0, 1, 14, 15)), random.Random(3)
    for _ in range(50):
        x = [draw.choice([draw.random(), 0.5]) for _ in range(16)]
        assert run(program, x, min, max) == [sorted(x)[rank] for rank in (0, 1, 14, 15)]


def test_sharing_work_saves_most_of_it() -> None:
    alone = len(selection_program(31, 1).steps)
    shared = len(selection_program(31, 16).steps) / 16
    assert alone == 274
    assert shared < 35


def test_a_register_is_released_once_and_never_read_again() -> None:
    program = selection_program(31, 16)
    gone: set[int] = set()
    for step, released in zip(program.steps, program.releases, strict=True):
        assert not {step.left, step.right} & gone
        assert not set(released) & gone
        gone |= set(released)
    assert not gone & set(program.results)


@pytest.mark.parametrize(("window", "outputs"), [(4, 1), (0, 1), (31, 3), (31, 32), (31, 0)])
def test_sizes_that_make_no_program_are_refused_by_name(window: int, outputs: int) -> None:
    with pytest.raises(ValueError, match=r"^(window|outputs) \d+: "):
        selection_program(window, outputs)
