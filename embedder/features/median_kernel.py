"""A selection network as machine code: whole vector registers in, whole vector registers out.

A compiler that is shown 550 scalar lines of min and max has to find the vectors in them again, and finds some.  Here
numba hands LLVM the program as what it is, one instruction on a register per step, so that the processor's own limit is
reached without a C compiler on the machine that runs it.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from embedder.features.selection_network import SelectionProgram
from embedder.features.vector_registers import FLOAT32_BYTES, row_pointer

MedianKernel = Callable[[int, int, int, int], None]
"""(source, source row, target, target row): addresses of the first lane of the first row, rows in bytes."""


def median_kernel(program: SelectionProgram) -> MedianKernel:
    """Return the program for LANES neighbouring columns, to be called from compiled code.

    It reads `program.inputs` rows of float32 without NaN, and writes `program.outputs` rows of medians.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        source, source_row, target, target_row = arguments
        registers: dict[int, ir.Value] = {}

        def register(number: int) -> ir.Value:
            if number not in registers:  # an input, loaded where it is first needed
                pointer = row_pointer(builder, source, source_row, number)
                registers[number] = builder.load(pointer, align=FLOAT32_BYTES)
            return registers[number]

        for step in program.steps:
            left, right = register(step.left), register(step.right)
            # Compared and chosen in this order, it is one instruction: minps, maxps.
            chosen = builder.fcmp_ordered("<" if step.kind == "min" else ">", left, right)
            registers[step.target] = builder.select(chosen, left, right)
        for row, result in enumerate(program.results):
            builder.store(register(result), row_pointer(builder, target, target_row, row), align=FLOAT32_BYTES)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def medians(typing_context: Any, source: Any, source_row: Any, target: Any, target_row: Any) -> Any:
        return types.void(types.intp, types.intp, types.intp, types.intp), generate

    return cast(MedianKernel, medians)
