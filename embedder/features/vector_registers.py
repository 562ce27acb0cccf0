"""The processor's vector registers, as far as compiled code that names them itself needs to know them."""

import llvmlite.binding
from llvmlite import ir

FLOAT32_BYTES = 4


def _lanes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx") else 4


LANES = _lanes()
"""How many float32 a register of this processor holds: 16, 8 or 4."""


def register_type() -> ir.VectorType:
    """Return the type of a register."""
    return ir.VectorType(ir.FloatType(), LANES)


def row_pointer(builder: ir.IRBuilder, start: ir.Value, row_bytes: ir.Value, row: int) -> ir.Value:
    """Emit the address of a register's worth of values, `row` rows after `start`."""
    address = builder.add(start, builder.mul(row_bytes, ir.Constant(row_bytes.type, row)))
    return builder.inttoptr(address, register_type().as_pointer())
