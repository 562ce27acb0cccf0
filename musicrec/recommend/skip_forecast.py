"""A small network that says how likely a candidate, if it is played, is skipped; it learns from every lesson.

A list that foresees plays foresees those that are turned away too: who skips through an album is offered its rest.
With the forecast, what is likely to be skipped goes down: score - aversion · (-log P(not skipped)).

Sources: Pandora's and Spotify's skip models (Brost et al., "The music streaming sessions dataset", WWW 2019); Duchi,
Hazan, Singer, "Adaptive subgradient methods", JMLR 2011 (AdaGrad).
"""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel, kernel
from musicrec.recommend.taught_network import LEAK, SEED, TaughtNetwork

FIRST_ODDS = -1.2
"""Of a skip, as a logit: a quarter of all plays."""


class SkipForecast(TaughtNetwork):
    """The network and its optimiser's state."""

    LEARNED = ("inner", "bias", "outer")

    def __init__(self, features: int, hidden: int, step: float) -> None:
        """Make one that says the same of every candidate.

        Args:
            features: of a candidate.
            hidden: units of the inner layer.
            step: of AdaGrad.
        """
        super().__init__()
        self.step = step
        random = np.random.default_rng(SEED)
        self._inner: NDArray[np.float32] = (random.normal(size=(hidden, features)) / math.sqrt(features)).astype("f4")
        self._bias: NDArray[np.float32] = np.zeros(hidden, np.float32)
        self._outer: NDArray[np.float32] = np.zeros(hidden + 1, np.float32)
        self._outer[hidden] = FIRST_ODDS
        self._inner_squares: NDArray[np.float32] = np.ones((hidden, features), np.float32)
        self._bias_squares: NDArray[np.float32] = np.ones(hidden, np.float32)
        self._outer_squares: NDArray[np.float32] = np.ones(hidden + 1, np.float32)
        self._inputs: NDArray[np.float32] = np.zeros((0, hidden), np.float32)
        self._before: NDArray[np.float64] = np.zeros(0, np.float64)
        self._losses: NDArray[np.float64] = np.zeros(0, np.float64)

    def lower(self, features: NDArray[np.float32], count: int, aversion: float, scores: NDArray[np.float64]) -> None:
        """Take `aversion` times -log P(not skipped) off the scores of `count` candidates.

        Args:
            features: float32, shape (at least count, features).
            count: rows in use.
            aversion: 0 changes nothing.
            scores: float64; changed in place.
        """
        self._make_room(len(features))
        inputs = np.dot(features[:count], self._inner.T, out=self._inputs[:count])
        lower(inputs, aversion, self._bias, self._outer, scores, self._before, self._losses)

    def moved(self, rows: NDArray[np.int64], places: NDArray[np.int64], count: int) -> list[list[int]]:
        """Return what the last `lower` foresaw of some candidates, and by how many places that moved each down.

        Args:
            rows: int64, the candidates; of those beyond `count` nothing is known, which is 0.
            places: int64, where they stand by the scores that `lower` left, from 0.
            count: as `lower` had it.

        Returns:
            Chances of a skip in thousandths, at least 1; and places, below 0 for those that moved up.
        """
        chances_and_moves = np.zeros((2, len(rows)), np.int64)
        find_moves(rows, places, count, self._before, self._losses, chances_and_moves)
        found: list[list[int]] = chances_and_moves.tolist()
        return found

    def train(self, features: NDArray[np.float32], played: int, *, was_skipped: bool) -> None:
        """Take one step on the logistic loss of the candidate in row `played`."""
        learn_skip(
            features[played],
            1.0 if was_skipped else 0.0,
            self._inner,
            self._bias,
            self._outer,
            self._inner_squares,
            self._bias_squares,
            self._outer_squares,
            self.step,
        )
        self.lessons += 1

    def _make_room(self, candidates: int) -> None:
        if len(self._losses) < candidates:
            self._inputs = np.zeros((candidates, len(self._bias)), np.float32)
            self._before, self._losses = np.zeros(candidates, np.float64), np.zeros(candidates, np.float64)


@fast_kernel
def lower(
    inputs: NDArray[np.float32],
    aversion: float,
    bias: NDArray[np.float32],
    outer: NDArray[np.float32],
    scores: NDArray[np.float64],
    out_before: NDArray[np.float64],
    out_losses: NDArray[np.float64],
) -> None:
    """Lower the scores of what is likely to be skipped; keep what they were, and -log P(not skipped).

    Args:
        inputs: float32, shape (candidates, hidden), what reaches the hidden units without their bias.
        aversion: see `SkipForecast.lower`.
        bias: float32, shape (hidden,).
        outer: float32, shape (hidden + 1,).
        scores: float64; changed in place.
        out_before: float64.
        out_losses: likewise.
    """
    count, hidden = inputs.shape
    for row in range(count):
        logit = float(outer[hidden])
        for unit in range(hidden):
            value = inputs[row, unit] + bias[unit]
            logit += outer[unit] * max(value, value * np.float32(LEAK))
        # log(1 + e^logit), which must not overflow
        out_losses[row] = max(0.0, logit) + math.log1p(math.exp(-abs(logit)))
        out_before[row] = scores[row]
        scores[row] -= aversion * out_losses[row]


@kernel
def find_moves(
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    count: int,
    before: NDArray[np.float64],
    losses: NDArray[np.float64],
    out: NDArray[np.int64],
) -> None:
    """Write what `SkipForecast.moved` returns; of equal scores the first row stands before the others."""
    for i in range(len(rows)):
        row = rows[i]
        if row < count:
            ahead, score = 0, before[row]
            for other in range(row):
                ahead += int(before[other] >= score)
            for other in range(row + 1, count):
                ahead += int(before[other] > score)
            out[0, i] = max(1, round(-math.expm1(-losses[row]) * 1000.0))
            out[1, i] = places[i] - ahead


@fast_kernel
def learn_skip(
    features: NDArray[np.float32],
    was_skipped: float,
    inner: NDArray[np.float32],
    bias: NDArray[np.float32],
    outer: NDArray[np.float32],
    inner_squares: NDArray[np.float32],
    bias_squares: NDArray[np.float32],
    outer_squares: NDArray[np.float32],
    step: float,
) -> None:
    """Take one AdaGrad step on the logistic loss of one candidate."""
    hidden, width = inner.shape
    activation = np.zeros(hidden, np.float32)
    logit = outer[hidden]
    for unit in range(hidden):
        value = bias[unit]
        for i in range(width):
            value += inner[unit, i] * features[i]
        if value < 0.0:
            value *= np.float32(LEAK)
        activation[unit] = value
        logit += outer[unit] * value
    error = np.float32(1.0 / (1.0 + math.exp(-logit)) - was_skipped)
    rate = np.float32(step)
    for unit in range(hidden):
        back = error * outer[unit] * np.float32(LEAK if activation[unit] < 0.0 else 1.0)
        gradient = error * activation[unit]
        outer_squares[unit] += gradient * gradient
        outer[unit] -= rate * gradient / np.sqrt(outer_squares[unit])
        bias_squares[unit] += back * back
        bias[unit] -= rate * back / np.sqrt(bias_squares[unit])
        for i in range(width):
            gradient = back * features[i]
            inner_squares[unit, i] += gradient * gradient
            inner[unit, i] -= rate * gradient / np.sqrt(inner_squares[unit, i])
    outer_squares[hidden] += error * error
    outer[hidden] -= rate * error / np.sqrt(outer_squares[hidden])
