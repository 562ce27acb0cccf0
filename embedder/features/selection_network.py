"""Straight-line programs of min and max that give medians of neighbouring windows at once.

A median of 31 by a pruned Batcher merge network costs 274 comparisons.  Neighbouring windows share most of their
elements: sort the common core once, keep only the ranks that can still be the median of any of them, split the outputs
into halves and merge the few elements that each half adds.  With 16 outputs that share work, 34 are left per output.

Source: Batcher 1968 (odd-even merge); Adams 2021, "Fast median filters using separable sorting networks".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Compare: TypeAlias = Callable[[T, T], T]


class Step(NamedTuple):
    """`registers[target] = min or max of registers[left], registers[right]`."""

    kind: Literal["min", "max"]
    target: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class SelectionProgram:
    """Values of some ranks of x, or of windows of it; registers 0 … inputs - 1 hold x."""

    inputs: int
    steps: tuple[Step, ...]
    results: tuple[int, ...]
    """Register of each output."""
    releases: tuple[tuple[int, ...], ...]
    """Registers that nothing reads after the step of the same index."""


def run(program: SelectionProgram, inputs: Sequence[T], minimum: Compare[T], maximum: Compare[T]) -> list[T]:
    """Run a program on anything that has a minimum and a maximum: numbers, or whole arrays of them.

    Args:
        program: what to do.
        inputs: one per input register.
        minimum, maximum: of two.

    Returns:
        One per result.
    """
    registers = dict(enumerate(inputs))
    for step, released in zip(program.steps, program.releases, strict=True):
        choose = minimum if step.kind == "min" else maximum
        registers[step.target] = choose(registers[step.left], registers[step.right])
        for register in released:
            del registers[register]
    return [registers[register] for register in program.results]


class _Builder:
    def __init__(self, inputs: int) -> None:
        self.steps: list[Step] = []
        self.registers = inputs

    def compare(self, a: int, b: int) -> tuple[int, int]:
        low, high = self.registers, self.registers + 1
        self.registers += 2
        self.steps += [Step("min", low, a, b), Step("max", high, a, b)]
        return low, high

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        """Batcher's odd-even merge of two sorted lists of any lengths."""
        if not a or not b:
            return a or b
        if len(a) == len(b) == 1:
            return list(self.compare(a[0], b[0]))
        even = self.merge(a[0::2], b[0::2])
        odd = self.merge(a[1::2], b[1::2])
        merged, rest = [even[0]], even[1:]
        paired = min(len(rest), len(odd))
        for low, high in zip(odd[:paired], rest[:paired], strict=True):
            merged += self.compare(low, high)
        return merged + rest[paired:] + odd[paired:]

    def sort(self, a: list[int]) -> list[int]:
        if len(a) < 2:
            return a
        half = len(a) // 2
        return self.merge(self.sort(a[:half]), self.sort(a[half:]))


@cache
def selection_program(window: int, outputs: int) -> SelectionProgram:
    """Return the program for the medians of x[i : i + window], i < outputs.

    Args:
        window: odd.
        outputs: a power of two of at most (window + 1) / 2.

    Raises:
        ValueError: the sizes are not of that kind.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window {window}: a median filter needs an odd window")
    if outputs < 1 or outputs & (outputs - 1) or 2 * outputs > window + 1:
        raise ValueError(f"outputs {outputs}: needs a power of two of at most {(window + 1) // 2}")
    builder = _Builder(window + outputs - 1)
    half = window // 2
    results: dict[int, int] = {}

    def split(first: int, count: int, candidates: list[int]) -> None:
        """`candidates`: the ranks of the elements common to `count` windows that can still be a median of one."""
        if count == 1:
            results[first] = candidates[0]
            return
        part = count // 2
        core = window - count + 1
        dropped = max(0, core - 1 - half)
        kept_from = max(0, core + part - 1 - half) - dropped
        added_left = range(first + part - 1, first + count - 1)
        added_right = range(first + window, first + window + part)
        for start, added in ((first, added_left), (first + part, added_right)):
            merged = builder.merge(candidates, builder.sort(list(added)))
            split(start, part, merged[kept_from : half - dropped + 1])

    core = window - outputs + 1
    common = builder.sort(list(range(outputs - 1, window)))
    split(0, outputs, common[max(0, core - 1 - half) : min(half, core - 1) + 1])
    return _program(builder, window + outputs - 1, tuple(results[i] for i in range(outputs)))


@cache
def ranking_program(inputs: int, ranks: tuple[int, ...]) -> SelectionProgram:
    """Return the program for the values of `ranks` of x[0 : inputs], 0 being the smallest."""
    builder = _Builder(inputs)
    ordered = builder.sort(list(range(inputs)))
    return _program(builder, inputs, tuple(ordered[rank] for rank in ranks))


def _program(builder: _Builder, inputs: int, results: tuple[int, ...]) -> SelectionProgram:
    steps = _live_steps(builder.steps, results)
    return SelectionProgram(inputs, steps, results, _releases(steps, results))


def _live_steps(steps: list[Step], results: tuple[int, ...]) -> tuple[Step, ...]:
    live = set(results)
    kept = []
    for step in reversed(steps):
        if step.target in live:
            kept.append(step)
            live |= {step.left, step.right}
    return tuple(reversed(kept))


def _releases(steps: tuple[Step, ...], results: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    seen = set(results)
    releases = []
    for step in reversed(steps):
        last = {step.left, step.right} - seen
        seen |= last
        releases.append(tuple(last))
    return tuple(reversed(releases))
