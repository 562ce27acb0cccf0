"""Power spectra of overlapping frames, as many at a time as a register has lanes.

Every lane is a frame of its own, so no step has to look into a register, and a bin comes out as it is wanted: next to
the same bin of the neighbouring frames.  FFT_SIZE real samples are half as many complex ones, the even samples as real
and the odd ones as imaginary parts.  Five passes of butterflies of four transform these, each from one memory into
another in an order that leaves nothing to sort; then the spectra of even and odd samples are told apart and joined.

Sources: Cochran et al. 1967, "What is the fast Fourier transform?" (the order is Stockham's); Sorensen et al. 1987,
"Real-valued fast Fourier transform algorithms".
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from embedder.features.geometry import FFT_SIZE, HOP_LENGTH, N_BINS
from embedder.features.turning import turn_square
from embedder.features.vector_registers import (
    FLOAT32_BYTES,
    LANES,
    REGISTER_BYTES,
    in_all_lanes,
    register_rows,
    row_pointer,
)
from musicrec.kernel import fast_kernel

Matrix = NDArray[np.float32]

_POINTS = FFT_SIZE // 2
"""Complex samples of a frame; a power of four."""
_POINT_BYTES = 2 * REGISTER_BYTES
"""A real part in every lane, then an imaginary part in every lane."""


def _roots(count: int) -> tuple[Matrix, Matrix]:
    """Return real and imaginary parts of the first `_POINTS` powers of exp(-2πi / count)."""
    roots = np.exp(-2j * np.pi / count * np.arange(_POINTS))
    return roots.real.astype(np.float32), roots.imag.astype(np.float32)


_COSINE, _SINE = _roots(_POINTS)
_HALF_COSINE, _HALF_SINE = (np.float32(0.5) * part for part in _roots(FFT_SIZE))


def power_of_frames(samples: Matrix, window: Matrix, frames: int) -> Matrix:
    """Return |F|² of frames that begin HOP_LENGTH samples after one another, each multiplied by a window.

    Args:
        samples: shape (samples,), as many as the frames cover.
        window: shape (FFT_SIZE,).
        frames: how many; a multiple of LANES.

    Returns:
        Shape (N_BINS, frames), float32.

    Raises:
        ValueError: there are fewer samples than the frames cover, or a last register would not be full.
    """
    if frames % LANES or samples.size < (frames - 1) * HOP_LENGTH + FFT_SIZE:
        raise ValueError(f"{samples.size} samples are not {frames} frames, or these no multiple of {LANES}")
    power = register_rows(N_BINS, frames)
    square, points, other = register_rows(LANES, LANES), register_rows(FFT_SIZE, LANES), register_rows(FFT_SIZE, LANES)
    _transform(np.ascontiguousarray(samples, np.float32), window, square, points, other, power)
    return power


@fast_kernel
def _transform(samples: Matrix, window: Matrix, square: Matrix, points: Matrix, other: Matrix, power: Matrix) -> None:
    for first in range(0, power.shape[1], LANES):
        _load(samples[first * HOP_LENGTH :], window, square, points)
        spectra = points if _run_passes(points, other) else other
        _join(spectra, power[:, first : first + LANES])


@fast_kernel
def _load(samples: Matrix, window: Matrix, square: Matrix, points: Matrix) -> None:
    """Turn frames, so that each is a lane, and multiply them by the window."""
    for start in range(0, FFT_SIZE, LANES):
        turn_square(
            samples.ctypes.data + start * FLOAT32_BYTES, HOP_LENGTH * FLOAT32_BYTES, square.ctypes.data, REGISTER_BYTES
        )
        for i in range(LANES):
            for lane in range(LANES):
                points[start + i, lane] = square[i, lane] * window[start + i]


@fast_kernel
def _run_passes(points: Matrix, other: Matrix) -> bool:
    """Transform; return whether the spectra are where the samples were."""
    source, target = points.ctypes.data, other.ctypes.data
    length, neighbours = _POINTS, 1
    in_place = True
    while length > 1:
        quarter = length // 4
        for place in range(quarter):
            turn = place * neighbours
            for i in range(neighbours):
                _butterfly(
                    source + (neighbours * place + i) * _POINT_BYTES,
                    neighbours * quarter * _POINT_BYTES,
                    target + (4 * neighbours * place + i) * _POINT_BYTES,
                    neighbours * _POINT_BYTES,
                    _COSINE[turn],
                    _SINE[turn],
                    _COSINE[2 * turn],
                    _SINE[2 * turn],
                    _COSINE[3 * turn],
                    _SINE[3 * turn],
                )
        length, neighbours = quarter, 4 * neighbours
        source, target = target, source
        in_place = not in_place
    return in_place


@intrinsic  # type: ignore[untyped-decorator]
def _butterfly(
    typing_context: Any,
    source: Any,
    source_step: Any,
    target: Any,
    target_step: Any,
    cosine: Any,
    sine: Any,
    cosine_of_2: Any,
    sine_of_2: Any,
    cosine_of_3: Any,
    sine_of_3: Any,
) -> Any:
    """Transform four complex values of each lane, and turn the results but the first by their angles."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        source, source_step, target, target_step, *angles = arguments
        turns = [in_all_lanes(builder, part) for part in angles]
        contract = ("contract",)  # a product and a sum may be one instruction

        def pointers(start: ir.Value, step: ir.Value, i: int) -> tuple[ir.Value, ir.Value]:
            imaginary = builder.add(start, ir.Constant(start.type, REGISTER_BYTES))
            return row_pointer(builder, start, step, i), row_pointer(builder, imaginary, step, i)

        def plus(x: ir.Value, y: ir.Value) -> ir.Value:
            return builder.fadd(x, y, contract)

        def minus(x: ir.Value, y: ir.Value) -> ir.Value:
            return builder.fsub(x, y, contract)

        def turned(real: ir.Value, imaginary: ir.Value, i: int) -> tuple[ir.Value, ir.Value]:
            cosine, sine = turns[2 * i - 2], turns[2 * i - 1]
            products = [builder.fmul(x, y, contract) for x in (real, imaginary) for y in (cosine, sine)]
            return minus(products[0], products[3]), plus(products[1], products[2])

        (ar, ai), (br, bi), (cr, ci), (dr, di) = (
            [builder.load(pointer, align=FLOAT32_BYTES) for pointer in pointers(source, source_step, i)]
            for i in range(4)
        )
        even_r, even_i, odd_r, odd_i = plus(ar, cr), plus(ai, ci), plus(br, dr), plus(bi, di)
        across_r, across_i, side_r, side_i = minus(ar, cr), minus(ai, ci), minus(br, dr), minus(bi, di)
        results = (
            (plus(even_r, odd_r), plus(even_i, odd_i)),
            turned(plus(across_r, side_i), minus(across_i, side_r), 1),
            turned(minus(even_r, odd_r), minus(even_i, odd_i), 2),
            turned(minus(across_r, side_i), plus(across_i, side_r), 3),
        )
        for i, result in enumerate(results):
            for part, pointer in zip(result, pointers(target, target_step, i), strict=True):
                builder.store(part, pointer, align=FLOAT32_BYTES)
        return context.get_dummy_value()

    places = (types.intp,) * 4
    return types.void(*places, *(types.float32,) * 6), generate


@fast_kernel
def _join(spectra: Matrix, power: Matrix) -> None:
    """Tell the spectra of even and of odd samples apart, which lie in one, and add the second half a sample later."""
    half = np.float32(0.5)
    for lane in range(LANES):
        even, odd = spectra[0, lane], spectra[1, lane]
        power[0, lane] = (even + odd) * (even + odd)
        power[_POINTS, lane] = (even - odd) * (even - odd)
    for k in range(1, _POINTS // 2 + 1):
        mirrored = _POINTS - k
        cosine, sine = _HALF_COSINE[k], _HALF_SINE[k]
        for lane in range(LANES):
            r, i = spectra[2 * k, lane], spectra[2 * k + 1, lane]
            mirrored_r, mirrored_i = spectra[2 * mirrored, lane], spectra[2 * mirrored + 1, lane]
            even_r, even_i = half * (r + mirrored_r), half * (i - mirrored_i)
            odd_r, odd_i = i + mirrored_i, mirrored_r - r
            later_r, later_i = cosine * odd_r - sine * odd_i, cosine * odd_i + sine * odd_r
            power[k, lane] = (even_r + later_r) * (even_r + later_r) + (even_i + later_i) * (even_i + later_i)
            power[mirrored, lane] = (even_r - later_r) * (even_r - later_r) + (even_i - later_i) * (even_i - later_i)
