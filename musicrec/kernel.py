"""Compiled functions: NumPy arrays in, NumPy arrays changed in place, no Python object touched."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call and keep the machine code beside its file.

    A kernel releases the interpreter lock, and reads past no bounds check: callers hand it arrays that are long enough.
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return cast(Callable[P, R], compiled)


def fast_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile like `kernel`, and let sums be taken in any order, so that they use vector instructions.

    The last bits of a sum then depend on the processor; for what is learned they do not matter.
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=True)(function)
    return cast(Callable[P, R], compiled)
