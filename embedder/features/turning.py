"""Rows to columns, a square of registers at a time."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from embedder.features.vector_registers import FLOAT32_BYTES, LANES, register_rows, row_pointer
from musicrec.kernel import kernel

Matrix = NDArray[np.float32]


def turned(x: Matrix) -> Matrix:
    """Return the transpose of `x`, shape (columns, rows), its rows laid out as `register_rows` does."""
    result = register_rows(*x.shape[::-1])
    _turn(x, result)
    return result


@intrinsic  # type: ignore[untyped-decorator]
def turn_square(typing_context: Any, source: Any, source_row: Any, target: Any, target_row: Any) -> Any:
    """Transpose LANES × LANES values: log2(LANES) rounds in which neighbours at a distance swap halves."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        source, source_row, target, target_row = arguments
        rows = [builder.load(row_pointer(builder, source, source_row, i), align=FLOAT32_BYTES) for i in range(LANES)]
        distance = LANES // 2
        while distance:
            low = [i if not i & distance else LANES + i - distance for i in range(LANES)]
            high = [i + distance if not i & distance else LANES + i for i in range(LANES)]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), places) for places in (low, high)]
            for i in range(LANES):
                if not i & distance:
                    pair = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = (builder.shuffle_vector(*pair, mask) for mask in masks)
            distance //= 2
        for i, row in enumerate(rows):
            builder.store(row, row_pointer(builder, target, target_row, i), align=FLOAT32_BYTES)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


@kernel
def _turn(source: Matrix, target: Matrix) -> None:
    rows, columns = source.shape
    whole_rows, whole_columns = rows - rows % LANES, columns - columns % LANES
    for top in range(0, whole_rows, LANES):
        for left in range(0, whole_columns, LANES):
            turn_square(
                source.ctypes.data + top * source.strides[0] + left * FLOAT32_BYTES,
                source.strides[0],
                target.ctypes.data + left * target.strides[0] + top * FLOAT32_BYTES,
                target.strides[0],
            )
    for i in range(rows):
        for j in range(0 if i >= whole_rows else whole_columns, columns):
            target[j, i] = source[i, j]
