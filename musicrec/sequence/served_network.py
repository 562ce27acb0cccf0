"""The networks of `network.py` for one session, compiled: no torch, no graph runtime, no waiting.

One session is a few dozen places of a few hundred numbers.  A runtime for large batches spends more time between its
steps than in them; here a direction is one or two calls of compiled code over memory that is there already.
"""

import math
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel
from musicrec.sequence.contexts import CONTEXTS, context_of
from musicrec.sequence.model import Model

NORM_EPSILON: Final = np.float32(1e-5)
"""Added to a variance, as torch's LayerNorm does."""
LAST: Final = "last.weight"
CONTEXT_TABLE: Final = "contexts.weight"
GATES: Final = {Model.GRU: 3, Model.LSTM: 4}
"""Maps of a recurrent layer that lie stacked in one matrix."""

Floats = NDArray[np.float32]


class ServedNetwork(Protocol):
    """A trained network."""

    def direction(self, places: Floats) -> Floats:
        """Return where the next track lies, unit length, shape (dimension,).

        Args:
            places: float32, shape (length, dimension), what is read at each place, the oldest first; it is overwritten.
        """


class ContextReader:
    """What is added to a track's vector for how it was heard."""

    def __init__(self, tensors: Mapping[str, Floats], dimension: int) -> None:
        """See `served_network`."""
        table = tensors[CONTEXT_TABLE]
        if table.shape != (CONTEXTS, dimension):
            raise ValueError(f"{CONTEXT_TABLE}: shape {table.shape}")
        self._table = np.ascontiguousarray(table, np.float32)

    def add(self, places: Floats, skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64]) -> None:
        """Add in place.

        Args:
            places: float32, shape (length, dimension).
            skipped: bool per place.
            gaps_s: int64 per place, see `context_of`.
        """
        add_contexts(places, skipped, gaps_s, self._table)


def served_network(model: Model, tensors: Mapping[str, Floats], dimension: int, longest: int) -> ServedNetwork:
    """Return the network of these weights.

    Args:
        model: what mixes the places.
        tensors: by their names in `SequenceNetwork.state_dict`.
        dimension: of what it reads.
        longest: places at most.

    Raises:
        KeyError: a tensor is missing.
        ValueError: one has another shape than the others ask for; compiled code looks at no bounds.
    """
    _map(tensors, LAST, (dimension, dimension))
    if model is Model.ATTENTION:
        return AttentionNetwork(tensors, longest)
    return RecurrentNetwork(model, tensors, longest)


class AttentionNetwork:
    """`network.Attention` and the last map."""

    def __init__(self, tensors: Mapping[str, Floats], longest: int) -> None:
        """See `served_network`."""
        self._last = _map(tensors, LAST)
        dimension = len(self._last)
        blocks: list[tuple[Floats, ...]] = []
        while f"mixer.blocks.{len(blocks)}.by_distance" in tensors:
            blocks.append(_block(tensors, f"mixer.blocks.{len(blocks)}.", dimension, longest))
        if not blocks:
            raise KeyError("mixer.blocks.0.by_distance")
        widest = max(len(block[-2]) for block in blocks)
        # Scratch of all blocks: normal, asked, rest, gates, mixed, widened.
        widths = (dimension, dimension, 2 * dimension, dimension, dimension, 2 * widest)
        scratch = [np.zeros((longest, width), np.float32) for width in widths]
        self._blocks = [(*block, *scratch, np.zeros(longest, np.float32)) for block in blocks]

    def direction(self, places: Floats) -> Floats:
        """See `ServedNetwork`."""
        for number, block in enumerate(self._blocks, 1):
            # Nobody reads what the last block makes of the other places.
            first = len(places) - 1 if number == len(self._blocks) else 0
            attend(places, first, *block)
        return pointed(places[-1], self._last)


class RecurrentNetwork:
    """`network.Recurrence` and the last map."""

    def __init__(self, model: Model, tensors: Mapping[str, Floats], longest: int) -> None:
        """See `served_network`."""
        self._model = model
        self._last = _map(tensors, LAST)
        dimension = len(self._last)
        gates = GATES[model]
        layers: list[tuple[Floats, ...]] = []
        while f"mixer.layers.weight_ih_l{len(layers)}" in tensors:
            number = len(layers)
            layers.append(
                (
                    _map(tensors, f"mixer.layers.weight_ih_l{number}", (dimension, gates * dimension)),
                    _map(tensors, f"mixer.layers.weight_hh_l{number}", (dimension, gates * dimension)),
                    _vector(tensors, f"mixer.layers.bias_ih_l{number}", gates * dimension),
                    _vector(tensors, f"mixer.layers.bias_hh_l{number}", gates * dimension),
                )
            )
        if not layers:
            raise KeyError("mixer.layers.weight_ih_l0")
        self._out = _map(tensors, "mixer.out.weight", (dimension, dimension))
        self._plus = _vector(tensors, "mixer.out.bias", dimension)
        shapes = ((longest, gates * dimension), (1, gates * dimension), (2, 1, dimension))
        scratch = [np.zeros(shape, np.float32) for shape in shapes]  # read, kept, state
        self._layers = [(*layer, *scratch) for layer in layers]
        self._added = np.zeros((1, dimension), np.float32)

    def direction(self, places: Floats) -> Floats:
        """See `ServedNetwork`."""
        newest = places[-1].copy()
        step_through = gru if self._model is Model.GRU else lstm
        for layer in self._layers:
            step_through(places, *layer)
        affine(places[-1:], self._out, self._plus, self._added)
        return pointed(newest + self._added[0], self._last)


def _block(tensors: Mapping[str, Floats], name: str, dimension: int, longest: int) -> tuple[Floats, ...]:
    """Return what `attend` takes of one block, the narrow map and its bias last."""
    queries_keys_values = _map(tensors, f"{name}queries_keys_values.weight", (dimension, 3 * dimension))
    plus = _vector(tensors, f"{name}queries_keys_values.bias", 3 * dimension)
    by_distance = tensors[f"{name}by_distance"]
    if by_distance.ndim != 2 or by_distance.shape[1] < longest or dimension % max(1, len(by_distance)):
        raise ValueError(f"{name}by_distance: shape {by_distance.shape}")
    narrow = _map(tensors, f"{name}narrow.weight")
    return (
        _vector(tensors, f"{name}before_attention.weight", dimension),
        _vector(tensors, f"{name}before_attention.bias", dimension),
        np.ascontiguousarray(queries_keys_values[:, :dimension]),
        np.ascontiguousarray(plus[:dimension]),
        np.ascontiguousarray(queries_keys_values[:, dimension:]),
        np.ascontiguousarray(plus[dimension:]),
        np.ascontiguousarray(by_distance, np.float32),
        _map(tensors, f"{name}gate.weight", (dimension, dimension)),
        _vector(tensors, f"{name}gate.bias", dimension),
        _map(tensors, f"{name}attended.weight", (dimension, dimension)),
        _vector(tensors, f"{name}attended.bias", dimension),
        _vector(tensors, f"{name}before_layer.weight", dimension),
        _vector(tensors, f"{name}before_layer.bias", dimension),
        _map(tensors, f"{name}wide.weight", (dimension, 2 * len(narrow))),
        _vector(tensors, f"{name}wide.bias", 2 * len(narrow)),
        _map(tensors, f"{name}narrow.weight", (len(narrow), dimension)),
        _vector(tensors, f"{name}narrow.bias", dimension),
    )


def _map(tensors: Mapping[str, Floats], name: str, shape: tuple[int, int] | None = None) -> Floats:
    """Return a linear map as `affine` takes it: float32, shape (in, out)."""
    tensor = tensors[name]
    if tensor.ndim != 2 or (shape is not None and tensor.T.shape != shape):
        raise ValueError(f"{name}: shape {tensor.shape}")
    return np.ascontiguousarray(tensor.T, np.float32)


def _vector(tensors: Mapping[str, Floats], name: str, length: int) -> Floats:
    tensor = tensors[name]
    if tensor.shape != (length,):
        raise ValueError(f"{name}: shape {tensor.shape}, not ({length},)")
    return np.ascontiguousarray(tensor, np.float32)


@fast_kernel
def add_contexts(places: Floats, skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64], table: Floats) -> None:
    """Add the row of each place's context; see `ContextReader`."""
    for place in range(places.shape[0]):
        row = context_of(skipped[place], gaps_s[place])
        for j in range(places.shape[1]):
            places[place, j] += table[row, j]


@fast_kernel
def affine(rows: Floats, weights: Floats, plus: Floats, out: Floats) -> None:
    """Write rows · weights + plus into the first rows of `out`.

    Args:
        rows: float32, shape (count, in).
        weights: float32, shape (in, out).
        plus: float32, shape (out,).
        out: float32, shape (at least count, out).
    """
    count, width = rows.shape[0], weights.shape[1]
    for row in range(count):
        for j in range(width):
            out[row, j] = plus[j]
    four = rows.shape[1] - rows.shape[1] % 4
    # Four rows of the weights at a time: what is added up is fetched and put back a quarter as often.
    for i in range(0, four, 4):
        for row in range(count):
            a, b, c, d = rows[row, i], rows[row, i + 1], rows[row, i + 2], rows[row, i + 3]
            for j in range(width):
                out[row, j] += a * weights[i, j] + b * weights[i + 1, j] + c * weights[i + 2, j] + d * weights[i + 3, j]
    for i in range(four, rows.shape[1]):
        for row in range(count):
            a = rows[row, i]
            for j in range(width):
                out[row, j] += a * weights[i, j]


@fast_kernel
def normalise(rows: Floats, times: Floats, plus: Floats, out: Floats) -> None:
    """Write each row with mean 0 and variance 1, times `times`, plus `plus` (LayerNorm)."""
    width = rows.shape[1]
    for row in range(rows.shape[0]):
        mean = np.float32(0.0)
        for j in range(width):
            mean += rows[row, j]
        mean /= np.float32(width)
        variance = np.float32(0.0)
        for j in range(width):
            variance += (rows[row, j] - mean) ** 2
        factor = np.float32(1.0 / math.sqrt(variance / np.float32(width) + NORM_EPSILON))
        for j in range(width):
            out[row, j] = (rows[row, j] - mean) * factor * times[j] + plus[j]


@fast_kernel
def attend(
    places: Floats,
    first: int,
    times: Floats,
    plus: Floats,
    queries: Floats,
    plus_queries: Floats,
    keys_values: Floats,
    plus_keys_values: Floats,
    by_distance: Floats,
    gate: Floats,
    plus_gate: Floats,
    attended: Floats,
    plus_attended: Floats,
    times_layer: Floats,
    plus_layer: Floats,
    wide: Floats,
    plus_wide: Floats,
    narrow: Floats,
    plus_narrow: Floats,
    normal: Floats,
    asked: Floats,
    rest: Floats,
    gates: Floats,
    mixed: Floats,
    widened: Floats,
    weights: Floats,
) -> None:
    """Put the places from `first` on through one block of `network.Attention`, in place.

    Args:
        places: float32, shape (length, dimension).
        first: the places before it are read and left as they are.
        times, plus, ..., plus_narrow: the block's weights, maps of shape (in, out).
        normal, asked, rest, gates, mixed, widened, weights: scratch with room for `length` places.
    """
    length, dimension = places.shape
    heads = by_distance.shape[0]
    width = dimension // heads
    by_root = np.float32(1.0 / math.sqrt(width))
    normalise(places, times, plus, normal)
    affine(normal[:length], keys_values, plus_keys_values, rest)
    affine(normal[first:length], queries, plus_queries, asked)
    affine(normal[first:length], gate, plus_gate, gates)
    for place in range(first, length):
        row = place - first
        for head in range(heads):
            start = head * width
            highest = np.float32(-3e38)
            for seen in range(place + 1):
                logit = np.float32(0.0)
                for j in range(start, start + width):
                    logit += asked[row, j] * rest[seen, j]
                logit = logit * by_root + by_distance[head, place - seen]
                weights[seen] = logit
                highest = max(highest, logit)
            total = np.float32(0.0)
            for seen in range(place + 1):
                weights[seen] = math.exp(weights[seen] - highest)
                total += weights[seen]
            for j in range(start, start + width):
                mixed[row, j] = 0.0
            for seen in range(place + 1):
                share = weights[seen] / total
                for j in range(start, start + width):
                    mixed[row, j] += share * rest[seen, dimension + j]
    count = length - first
    affine(mixed[:count], attended, plus_attended, asked)
    for row in range(count):
        for j in range(dimension):
            places[first + row, j] += asked[row, j] / (np.float32(1.0) + math.exp(-gates[row, j]))
    normalise(places[first:], times_layer, plus_layer, normal)
    affine(normal[:count], wide, plus_wide, widened)
    hidden = narrow.shape[0]
    for row in range(count):
        for j in range(hidden):
            opened = widened[row, hidden + j]
            widened[row, j] *= opened / (np.float32(1.0) + math.exp(-opened))
    affine(widened[:count, :hidden], narrow, plus_narrow, mixed)
    for row in range(count):
        for j in range(dimension):
            places[first + row, j] += mixed[row, j]


@fast_kernel
def gru(
    places: Floats,
    of_read: Floats,
    of_state: Floats,
    plus_read: Floats,
    plus_state: Floats,
    read: Floats,
    kept: Floats,
    state: Floats,
) -> None:
    """Replace the places by the states of a gated recurrent layer.

    Args:
        places: float32, shape (length, dimension).
        of_read, of_state: maps of shape (dimension, 3 * dimension): reset, update, new.
        plus_read, plus_state: what they add.
        read, kept, state: scratch of shape (at least length, 3 * dimension), (1, 3 * dimension), (2, 1, dimension).
    """
    length, dimension = places.shape
    one = np.float32(1.0)
    affine(places, of_read, plus_read, read)
    state[0] = 0.0
    for place in range(length):
        affine(state[0], of_state, plus_state, kept)
        for j in range(dimension):
            reset = one / (one + math.exp(-(read[place, j] + kept[0, j])))
            update = one / (one + math.exp(-(read[place, dimension + j] + kept[0, dimension + j])))
            new = math.tanh(read[place, 2 * dimension + j] + reset * kept[0, 2 * dimension + j])
            state[0, 0, j] = (one - update) * new + update * state[0, 0, j]
        for j in range(dimension):
            places[place, j] = state[0, 0, j]


@fast_kernel
def lstm(
    places: Floats,
    of_read: Floats,
    of_state: Floats,
    plus_read: Floats,
    plus_state: Floats,
    read: Floats,
    kept: Floats,
    state: Floats,
) -> None:
    """Replace the places by the states of a long short-term memory; as `gru`, with maps for in, forget, cell, out."""
    length, dimension = places.shape
    one = np.float32(1.0)
    affine(places, of_read, plus_read, read)
    state[:] = 0.0
    for place in range(length):
        affine(state[0], of_state, plus_state, kept)
        for j in range(dimension):
            let_in = one / (one + math.exp(-(read[place, j] + kept[0, j])))
            forget = one / (one + math.exp(-(read[place, dimension + j] + kept[0, dimension + j])))
            cell = math.tanh(read[place, 2 * dimension + j] + kept[0, 2 * dimension + j])
            out = one / (one + math.exp(-(read[place, 3 * dimension + j] + kept[0, 3 * dimension + j])))
            state[1, 0, j] = forget * state[1, 0, j] + let_in * cell
            state[0, 0, j] = out * math.tanh(state[1, 0, j])
        for j in range(dimension):
            places[place, j] = state[0, 0, j]


@fast_kernel
def pointed(place: Floats, last: Floats) -> Floats:
    """Return the last map of a place, at unit length."""
    dimension = len(place)
    direction = np.zeros(dimension, np.float32)
    for i in range(dimension):
        for j in range(dimension):
            direction[j] += place[i] * last[i, j]
    length = np.float32(0.0)
    for j in range(dimension):
        length += direction[j] * direction[j]
    factor = np.float32(1.0 / max(math.sqrt(length), 1e-12))
    for j in range(dimension):
        direction[j] *= factor
    return direction
