"""Running medians, bit for bit those of `scipy.ndimage.median_filter(..., mode="reflect")`."""

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import MEDIAN_WINDOW
from embedder.features.median_kernel import median_kernel
from embedder.features.selection_network import selection_program
from embedder.features.vector_registers import FLOAT32_BYTES, LANES, register_rows
from musicrec.recommend.kernel import kernel

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
    around = np.empty((_INPUTS, columns), np.float32)
    beyond = np.empty((_OUTPUTS, columns), np.float32)
    for first in range(0, rows, _OUTPUTS):
        top, kept = first - _HALF, min(_OUTPUTS, rows - first)
        source, target = around, beyond
        if top >= 0 and top + _INPUTS <= rows:
            source, target = x[top : top + _INPUTS], medians[first : first + _OUTPUTS]
        else:
            for i in range(_INPUTS):
                row = (top + i) % (2 * rows)
                around[i] = x[min(row, 2 * rows - 1 - row)]
        for start in range(0, columns, LANES):
            # The last register overlaps the one before rather than reach beyond the row.
            shift = min(start, columns - LANES) * FLOAT32_BYTES
            _medians(source.ctypes.data + shift, source.strides[0], target.ctypes.data + shift, target.strides[0])
        if top < 0 or top + _INPUTS > rows:
            medians[first : first + kept] = beyond[:kept]
