"""The network run by OpenVINO on a CPU, in 8-bit whole numbers: no torch, a quarter of the time.

The graph is laid out here from the weights themselves: there is no exported file that could differ from them.

Weights have 7 bits and not 8.  Processors without VNNI add two products in 16 bits, which overflow with 8; with 7 they
cannot, and every processor gives the same vector.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference"; the seventh bit is the overflow fix of NNCF.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import MEL_BANDS, SEGMENT_FRAMES
from embedder.features.namespace import Array
from embedder.network_shape import Architecture, Precision
from embedder.openvino_runtime import openvino, ops
from embedder.segment_network import SegmentAnswer
from embedder.weights import Tensors, Weights
from musicrec.errors import Incompatible

IMAGE_SHIFT: Final = 0.4
"""Taken off the images, about their mean."""

_ACTIVATION_LEVELS, _WEIGHT_LEVELS = 256, 255
_WIDENED = 127 / 63
"""Weights fill 7 of the 8 bits."""
_TOPS = "segments.activation_tops"
"""Where the activations of each layer end; zeros where nobody has looked."""
_NORM_EPSILON = 1e-5
"""Of torch's batch normalisation."""

Node = Any


class OpenvinoNetwork:
    """A `SegmentNetwork` on the CPU. One thread at a time."""

    def __init__(self, weights: Weights, *, threads: int, precision: Precision | None = None) -> None:
        """Compile the network for this processor.

        Args:
            weights: of an architecture of `ARCHITECTURES`.
            threads: cores that it may take.
            precision: `int8`, which needs ranges in the weights, or `float32`; None takes the first that can be had.

        Raises:
            Incompatible: the weights are those of another network, or hold no ranges.
        """
        try:
            model = ARCHITECTURES[weights.manifest.architecture](weights.tensors, precision or _best(weights.tensors))
        except (KeyError, RuntimeError, ValueError) as error:
            raise weights.misfit(error) from error
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Or 16-bit floats would be taken where a processor has them, and vectors differ from machine to machine.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def run(self, tracks: Sequence[Array]) -> list[SegmentAnswer]:
        """See `SegmentNetwork.run`."""
        return [self._run_one(np.ascontiguousarray(images, np.float32)) for images in tracks]

    def _run_one(self, images: NDArray[np.float32]) -> SegmentAnswer:
        answers = self._request.infer([images], share_inputs=True)  # they are not copied
        return SegmentAnswer(answers[0].copy(), answers[1].copy())


def _best(tensors: Tensors) -> Precision:
    return "int8" if _has_ranges(tensors) else "float32"


def _has_ranges(tensors: Tensors) -> bool:
    return bool(np.min(tensors.get(_TOPS, 0.0)) > 0)


def _light(tensors: Tensors, precision: Precision) -> openvino.Model:
    tops = [float(top) for top in tensors[_TOPS]]
    if precision == "int8" and not _has_ranges(tensors):
        raise Incompatible("its weights hold no ranges for 8 bits; set MUSICREC_EMBEDDER_PRECISION=float32")
    ranges = iter([(-IMAGE_SHIFT, 1 - IMAGE_SHIFT), *((0.0, top) for top in tops)])

    def convolved(node: Node, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int) -> Node:
        low_high = next(ranges)
        kernel = ops.constant(weight)
        if precision == "int8":
            node, kernel = _quantised(node, *low_high, _ACTIVATION_LEVELS), _quantised_weight(weight)
        edge = weight.shape[-1] // 2
        node = ops.convolution(node, kernel, [stride] * 2, [edge] * 2, [edge] * 2, [1, 1])
        return ops.relu(ops.add(node, bias.reshape(1, -1, 1, 1)))

    images = ops.parameter([-1, 3, MEL_BANDS, SEGMENT_FRAMES], np.float32)
    node = ops.subtract(images, np.float32(IMAGE_SHIFT))
    for layer in range(len(tops)):
        node = convolved(node, *_normalised(tensors, 3 * layer), stride=2)
    node = convolved(node, tensors["segments.reduce.weight"], tensors["segments.reduce.bias"], stride=1)
    last = np.array([3])
    pooled = ops.concat([ops.reduce_mean(node, last), ops.reduce_max(node, last)], 1)
    return _answers(images, ops.reshape(pooled, np.array([0, -1]), True), tensors)


def _normalised(tensors: Tensors, layer: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight and bias of a convolution with the batch normalisation that follows it folded in."""
    norm = f"segments.convolutions.{layer + 1}."
    deviation = np.sqrt(tensors[norm + "running_var"] + np.float32(_NORM_EPSILON))
    scale = np.asarray(tensors[norm + "weight"] / deviation, np.float32)
    weight: NDArray[np.float32] = tensors[f"segments.convolutions.{layer}.weight"] * scale[:, None, None, None]
    bias: NDArray[np.float32] = tensors[norm + "bias"] - tensors[norm + "running_mean"] * scale
    return weight, bias


def _alexnet(tensors: Tensors, precision: Precision) -> openvino.Model:
    """Lay out the published network, always in float32: it is there to compare with."""

    def convolved(node: Node, layer: int, stride: int, edge: int) -> Node:
        weight, bias = (tensors[f"segments.convolutions.{layer}.{part}"] for part in ("weight", "bias"))
        node = ops.convolution(node, ops.constant(weight), [stride] * 2, [edge] * 2, [edge] * 2, [1, 1])
        return ops.relu(ops.add(node, bias.reshape(1, -1, 1, 1)))

    def pooled(node: Node) -> Node:
        return ops.max_pool(node, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)

    def thinned(node: Node) -> Node:
        return pooled(ops.lrn(node, np.array([1]), 1e-4, 0.75, 2.0, 5))

    images = ops.parameter([-1, 3, MEL_BANDS, SEGMENT_FRAMES], np.float32)
    node = thinned(convolved(ops.subtract(images, np.float32(IMAGE_SHIFT)), 0, 4, 2))
    node = thinned(convolved(node, 4, 1, 2))
    for layer in (8, 10, 12):
        node = convolved(node, layer, 1, 1)
    node = ops.reshape(pooled(node), np.array([0, -1]), True)
    for layer in (1, 4):
        node = ops.relu(_linear(node, tensors, f"segments.dense.{layer}"))
    return _answers(images, node, tensors)


def _answers(images: Node, node: Node, tensors: Tensors) -> openvino.Model:
    heads = [_linear(node, tensors, f"segments.{head}") for head in ("embed", "classify")]
    return openvino.Model(heads, [images], "segments")


def _linear(node: Node, tensors: Tensors, layer: str) -> Node:
    product = ops.matmul(node, ops.constant(tensors[f"{layer}.weight"]), False, True)
    return ops.add(product, tensors[f"{layer}.bias"])


def _quantised(node: Node, low: float, high: float, levels: int) -> Node:
    bounds = np.float32(low), np.float32(high)
    return ops.fake_quantize(node, *bounds, *bounds, levels)


def _quantised_weight(weight: NDArray[np.float32]) -> Node:
    """Round the weights of each output channel to steps of its own."""
    top = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) * np.float32(_WIDENED)
    return ops.fake_quantize(ops.constant(weight), -top, top, -top, top, _WEIGHT_LEVELS)


ARCHITECTURES: Final[dict[Architecture, Callable[[Tensors, Precision], openvino.Model]]] = {
    "light": _light,
    "alexnet": _alexnet,
}
"""How each network is laid out; others are run by torch."""
