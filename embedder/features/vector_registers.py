"""The processor's vector registers, as far as compiled code that names them itself needs to know them."""

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

FLOAT32_BYTES = 4


def _lanes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx") else 4


LANES = _lanes()
"""How many float32 a register of this processor holds: 16, 8 or 4."""
REGISTER_BYTES = LANES * FLOAT32_BYTES


def register_rows(rows: int, columns: int) -> NDArray[np.float32]:
    """Return a matrix, not filled, each of whose rows begins where a register is loaded from in one piece.

    A load across two cache lines takes twice as long, and with 16 lanes each one that is not aligned lies across two.
    """
    width = -(-columns // LANES) * LANES
    memory = np.empty(rows * width + LANES, np.float32)
    start = -memory.ctypes.data % REGISTER_BYTES // FLOAT32_BYTES
    return memory[start : start + rows * width].reshape(rows, width)[:, :columns]


def register_type() -> ir.VectorType:
    """Return the type of a register."""
    return ir.VectorType(ir.FloatType(), LANES)


def row_pointer(builder: ir.IRBuilder, start: ir.Value, row_bytes: ir.Value, row: int) -> ir.Value:
    """Emit the address of a register's worth of values, `row` rows after `start`."""
    address = builder.add(start, builder.mul(row_bytes, ir.Constant(row_bytes.type, row)))
    return builder.inttoptr(address, register_type().as_pointer())


def in_all_lanes(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Emit a register that holds one value in every lane."""
    nothing = ir.Constant(register_type(), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
