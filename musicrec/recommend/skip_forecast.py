"""A small network that says how likely a candidate, if it is played, is skipped; it learns from every lesson.

A list that foresees plays foresees those that are turned away too: who skips through an album is offered its rest.
With the forecast, what is likely to be skipped goes down: score - aversion · (-log P(not skipped)).

Sources: Pandora's and Spotify's skip models (Brost et al., "The music streaming sessions dataset", WWW 2019); Duchi,
Hazan, Singer, "Adaptive subgradient methods", JMLR 2011 (AdaGrad).
"""

import math

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.kernel import fast_kernel
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

    def lower(self, features: NDArray[np.float32], count: int, aversion: float, scores: NDArray[np.float64]) -> None:
        """Take `aversion` times -log P(not skipped) off the scores of `count` candidates.

        Args:
            features: float32, shape (at least count, features).
            count: rows in use.
            aversion: 0 changes nothing.
            scores: float64; changed in place.
        """
        lower(features, count, aversion, self._inner, self._bias, self._outer, scores)

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


@fast_kernel
def lower(
    features: NDArray[np.float32],
    count: int,
    aversion: float,
    inner: NDArray[np.float32],
    bias: NDArray[np.float32],
    outer: NDArray[np.float32],
    scores: NDArray[np.float64],
) -> None:
    """Lower the scores of what is likely to be skipped; see `SkipForecast.lower`."""
    hidden, width = inner.shape
    for row in range(count):
        logit = float(outer[hidden])
        for unit in range(hidden):
            value = bias[unit]
            for i in range(width):
                value += inner[unit, i] * features[row, i]
            if value < 0.0:
                value *= np.float32(LEAK)
            logit += outer[unit] * value
        # log(1 + e^logit), which must not overflow
        scores[row] -= aversion * (max(0.0, logit) + math.log1p(math.exp(-abs(logit))))


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
