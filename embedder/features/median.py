"""Running medians, bit for bit those of `scipy.ndimage.median_filter(..., mode="reflect")`, on any torch device."""

import torch
from torch import Tensor

from embedder.features.selection_network import SelectionProgram, selection_program

_MOST_SHARED = 16
"""Windows computed together: 34 comparisons per output at window 31, where 8 need 42 and 32 would not fit."""


def running_median(x: Tensor, window: int) -> Tensor:
    """Return the median over `window` rows around each row of `x`.

    The first axis is filtered; all others are independent lanes.  The edges are half-sample symmetric
    (d c b a | a b c d | d c b a), which SciPy calls "reflect" and torch does not have.

    Args:
        x: shape (rows, ...), non-negative float32 or any real type without NaN.
        window: odd, at least 1.

    Returns:
        Tensor of the shape and type of `x`.

    Raises:
        ValueError: `window` is not odd and positive, or `x` has no rows.
    """
    rows = x.shape[0] if x.ndim else 0
    if rows == 0:
        raise ValueError(f"shape {tuple(x.shape)}: a running median needs at least one row")
    program = selection_program(window, _shared_outputs(window))
    blocks = -(-rows // program.outputs)
    padded = x.index_select(0, _symmetric_rows(rows, window, blocks * program.outputs, x.device))
    return _run(program, padded, blocks)[:rows]


def _shared_outputs(window: int) -> int:
    outputs = 1
    while 2 * outputs <= min(_MOST_SHARED, (window + 1) // 2):
        outputs *= 2
    return outputs


def _symmetric_rows(rows: int, window: int, outputs: int, device: torch.device) -> Tensor:
    half = window // 2
    index = torch.arange(-half, outputs + half, device=device) % (2 * rows)
    return torch.minimum(index, 2 * rows - 1 - index)


def _run(program: SelectionProgram, padded: Tensor, blocks: int) -> Tensor:
    # Register i holds rows i, i + outputs, i + 2 outputs, ...: one instruction handles all blocks and lanes.
    stride = program.outputs
    registers = {i: padded[i : i + (blocks - 1) * stride + 1 : stride] for i in range(program.inputs)}
    free: list[Tensor] = []
    for step, released in zip(program.steps, program.releases, strict=True):
        operation = torch.minimum if step.kind == "min" else torch.maximum
        out = free.pop() if free else None
        registers[step.target] = operation(registers[step.left], registers[step.right], out=out)
        for register in released:
            spent = registers.pop(register)
            if register >= program.inputs:  # the inputs are views of `padded`; only own memory is used again
                free.append(spent)
    medians = torch.stack([registers[register] for register in program.results], dim=1)
    return medians.reshape(blocks * stride, *padded.shape[1:])
