"""Logarithm and power of float32, in vector registers.

NumPy takes 4 to 12 ns per logarithm where a processor has no AVX-512, and a track has a million of them.  A float32 is
2^e · m with e in its exponent bits and 1 ≤ m < 2, so log2 x = e + log2 m; and 2^y = 2^⌊y⌋ · 2^(y - ⌊y⌋).  What remains
is a polynomial on an interval of length 1.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel

Values = NDArray[np.float32]

_SMALLEST = np.float32(np.finfo(np.float32).tiny)
"""Below it exponent bits do not say the exponent."""
_MANTISSA_BITS, _BIAS = np.int32(23), np.int32(127)
_MANTISSA, _ONE = np.int32((1 << 23) - 1), np.int32(127 << 23)


def _polynomial(function: Any, low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Return the coefficients, lowest first, of a function's interpolation at Chebyshev points."""
    fitted = Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=Polynomial)
    return tuple(np.float32(coefficient) for coefficient in fitted.coef)


_L = _polynomial(np.log2, 1.0, 2.0, 8)
"""Of log2 on [1, 2): off by 3e-7 at most."""
_E = _polynomial(np.exp2, 0.0, 1.0, 6)
"""Of 2^x on [0, 1): off by 1e-7 of it at most."""


def power(values: Values, exponent: float, into: Values | None = None) -> Values:
    """Return non-negative values to a power between 0 and 1; of less than 1.2e-38 that of 1.2e-38.

    Args:
        values: any shape.
        exponent: between 0 and 1.
        into: where to put them, contiguous and of the shape of `values`; None takes new memory.
    """
    result = np.empty_like(values) if into is None else into
    _power(values.ravel(), np.float32(exponent), result.reshape(-1))
    return result


@intrinsic  # type: ignore[untyped-decorator]
def _bits(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic  # type: ignore[untyped-decorator]
def _float(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@fast_kernel
def log2_of(value: np.float32) -> np.float32:
    """Return the logarithm to the base 2 of a non-negative value, in compiled loops; below 1.2e-38 that of 1.2e-38."""
    bits = _bits(max(value, _SMALLEST))
    m = _float(np.int32((bits & _MANTISSA) | _ONE))
    e = np.float32(np.int32(bits >> _MANTISSA_BITS) - _BIAS)
    high = _L[4] + m * (_L[5] + m * (_L[6] + m * (_L[7] + m * _L[8])))
    return np.float32(e + (_L[0] + m * (_L[1] + m * (_L[2] + m * (_L[3] + m * high)))))


@fast_kernel
def _power(values: Values, exponent: np.float32, result: Values) -> None:
    for i in range(len(values)):
        y = exponent * log2_of(values[i])
        whole = np.floor(y)
        f = y - whole
        high = _E[3] + f * (_E[4] + f * (_E[5] + f * _E[6]))
        fraction = _E[0] + f * (_E[1] + f * (_E[2] + f * high))
        result[i] = fraction * _float(np.int32((np.int32(whole) + _BIAS) << _MANTISSA_BITS))
