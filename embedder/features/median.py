"""Running medians, bit for bit those of `scipy.ndimage.median_filter(..., mode="reflect")`."""

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import MEDIAN_WINDOW
from embedder.features.median_kernel import median_kernel
from embedder.features.selection_network import selection_program
from embedder.features.vector_registers import FLOAT32_BYTES, LANES, REGISTER_BYTES, register_rows
from musicrec.kernel import kernel

Matrix = NDArray[np.float32]

_OUTPUTS = 16
"""Windows computed together: 34 comparisons per output at window 31, where 8 need 42 and 32 would not fit."""
_PROGRAM = selection_program(MEDIAN_WINDOW, _OUTPUTS)
_INPUTS = _PROGRAM.inputs
_HALF = MEDIAN_WINDOW // 2
_medians = median_kernel(_PROGRAM)


def running_median(x: Matrix) -> Matrix:
    """Return the median over MEDIAN_WINDOW rows around each row of `x`; each column is a lane of its own.

    The edges are half-sample symmetric (d c b a | a b c d | d c b a), which SciPy calls "reflect".

    Args:
        x: shape (rows, columns), non-negative, without NaN.

    Returns:
        Array of the shape of `x`, its rows laid out as `register_rows` does.

    Raises:
        ValueError: `x` has not two axes, or no rows.
    """
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"shape {x.shape}: a running median needs two axes and at least one row")
    columns = x.shape[1]
    if columns < LANES:
        return running_median(np.pad(x, ((0, 0), (0, LANES - columns))))[:, :columns].copy()
    if x.dtype != np.float32 or x.strides[1] != FLOAT32_BYTES:
        x = np.ascontiguousarray(x, np.float32)
    medians = register_rows(*x.shape)
    _fill(x, medians)
    return medians


@kernel
def _fill(x: Matrix, medians: Matrix) -> None:
    rows, columns = x.shape
    around, beyond = np.empty((_INPUTS, LANES), np.float32), np.empty((_OUTPUTS, LANES), np.float32)
    for first in range(0, rows, _OUTPUTS):
        top = first - _HALF
        inside = top >= 0 and top + _INPUTS <= rows
        for column in range(0, columns, LANES):
            # The last register overlaps the one before rather than reach beyond the row.
            start = min(column, columns - LANES)
            if inside:
                source = x.ctypes.data + top * x.strides[0] + start * FLOAT32_BYTES
                target = medians.ctypes.data + first * medians.strides[0] + start * FLOAT32_BYTES
                _medians(source, x.strides[0], target, medians.strides[0])
                continue
            for i in range(_INPUTS):
                row = (top + i) % (2 * rows)
                row = min(row, 2 * rows - 1 - row)
                for lane in range(LANES):
                    around[i, lane] = x[row, start + lane]
            _medians(around.ctypes.data, REGISTER_BYTES, beyond.ctypes.data, REGISTER_BYTES)
            for i in range(min(_OUTPUTS, rows - first)):
                for lane in range(LANES):
                    medians[first + i, start + lane] = beyond[i, lane]
