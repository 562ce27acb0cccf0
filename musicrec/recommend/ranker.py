"""A small network that orders fused candidates, and learns from every play which of them was played.

score = prior weight · log(fused score) + w2 · leaky-relu(W1 · features + b1)

It starts as the plain rank fusion (w2 = 0) and is trained by one AdaGrad step per lesson on the softmax over the
candidates: the track that was played against those that were not.

Sources: Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 2011 (AdaGrad); Hidasi, Czapp, "The effect of third
party implementations on reproducibility", RecSys 2023 (softmax over many negatives).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel, kernel
from musicrec.recommend.taught_network import LEAK, SEED, TaughtNetwork


class Ranker(TaughtNetwork):
    """The network and its optimiser's state."""

    LEARNED = ("inner", "bias", "outer", "prior")

    def __init__(self, features: int, hidden: int, step: float, *, silent: Sequence[int] = ()) -> None:
        """Make one that orders as the fusion does.

        Args:
            features: of a candidate.
            hidden: units of the inner layer.
            step: of AdaGrad.
            silent: features that may speak for the first time when much is learned already: their weights begin at 0,
                so that they change nothing before something was learned of them.
        """
        super().__init__()
        self.step = step
        weights = np.random.default_rng(SEED).normal(size=(hidden, features)) / math.sqrt(features)
        self._inner: NDArray[np.float32] = np.ascontiguousarray(weights.T, np.float32)
        self._inner[list(silent)] = 0.0
        self._bias: NDArray[np.float32] = np.zeros(hidden, np.float32)
        self._outer: NDArray[np.float32] = np.zeros(hidden, np.float32)
        self._prior: NDArray[np.float32] = np.ones(1, np.float32)
        self._inner_squares: NDArray[np.float32] = np.ones((features, hidden), np.float32)
        self._bias_squares: NDArray[np.float32] = np.ones(hidden, np.float32)
        self._outer_squares: NDArray[np.float32] = np.ones(hidden, np.float32)
        self._prior_squares: NDArray[np.float32] = np.ones(1, np.float32)
        self._inner_gradient: NDArray[np.float32] = np.zeros((features, hidden), np.float32)
        self._activation: NDArray[np.float32] = np.zeros((1, hidden), np.float32)

    def score(
        self, features: NDArray[np.float32], fused: NDArray[np.float64], count: int, out: NDArray[np.float64]
    ) -> None:
        """Write the scores of `count` candidates into `out`.

        Args:
            features: float32, shape (at least count, features).
            fused: float64, their fused scores, positive.
        """
        self._make_room(len(features))
        forward(
            features, fused, count, self._inner, self._bias, self._outer, float(self._prior[0]), self._activation, out
        )

    def train(
        self,
        features: NDArray[np.float32],
        fused: NDArray[np.float64],
        count: int,
        played: int,
        weight: float,
        scores: NDArray[np.float64],
    ) -> None:
        """Take one step towards the candidate in row `played`; `weight` scales it, `scores` is scratch."""
        self.score(features, fused, count, scores)
        learn_played(
            features,
            fused,
            count,
            played,
            weight,
            scores,
            self._activation,
            self._inner,
            self._bias,
            self._outer,
            self._prior,
            self._inner_squares,
            self._bias_squares,
            self._outer_squares,
            self._prior_squares,
            self._inner_gradient,
            self.step,
        )
        self.lessons += 1

    def _make_room(self, candidates: int) -> None:
        if len(self._activation) < candidates:
            self._activation = np.zeros((candidates, len(self._outer)), np.float32)


@fast_kernel
def activate(
    features: NDArray[np.float32], inner: NDArray[np.float32], bias: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the hidden units of one candidate.

    The units lie beside each other and most features of a candidate are 0: a feature that is there goes to all units at
    once, the others cost a look.

    Args:
        features: float32, shape (features,).
        inner: float32, shape (features, hidden).
        bias: float32, shape (hidden,).
        out: likewise.
    """
    hidden = len(bias)
    for unit in range(hidden):
        out[unit] = bias[unit]
    for i in range(len(features)):
        feature = features[i]
        if feature != 0.0:
            for unit in range(hidden):
                out[unit] += feature * inner[i, unit]
    for unit in range(hidden):
        if out[unit] < 0.0:
            out[unit] *= np.float32(LEAK)


@fast_kernel
def forward(
    features: NDArray[np.float32],
    fused: NDArray[np.float64],
    count: int,
    inner: NDArray[np.float32],
    bias: NDArray[np.float32],
    outer: NDArray[np.float32],
    prior: float,
    activation: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Write hidden activations and scores of `count` candidates."""
    hidden = len(bias)
    for row in range(count):
        activate(features[row], inner, bias, activation[row])
        score = np.float32(0.0)
        for unit in range(hidden):
            score += outer[unit] * activation[row, unit]
        out[row] = prior * math.log(fused[row]) + score


@kernel
def put_in_order(
    ranked: NDArray[np.float64],
    count: int,
    tracks: NDArray[np.int64],
    scores: NDArray[np.float64],
    places: NDArray[np.int64],
) -> None:
    """Put the first `count` candidates into the ranker's order, equal ones as they stood; below them stays the rest.

    Args:
        ranked: the ranker's score of each of the first.
        count: how many; one at least.
        tracks: changed.
        scores: those of the fusion; become the ranker's and, of the rest, logarithms that lie below them.
        places: gets the place that each of the first had, from 0.
    """
    order = np.argsort(-ranked[:count], kind="mergesort")
    lift = ranked[order[count - 1]] - math.log(scores[count - 1]) - 1.0
    for at in range(count, len(scores)):
        scores[at] = math.log(scores[at]) + lift
    before = tracks[:count].copy()
    for at in range(count):
        tracks[at] = before[order[at]]
        scores[at] = ranked[order[at]]
        places[at] = order[at]


@fast_kernel
def learn_played(
    features: NDArray[np.float32],
    fused: NDArray[np.float64],
    count: int,
    played: int,
    weight: float,
    scores: NDArray[np.float64],
    activation: NDArray[np.float32],
    inner: NDArray[np.float32],
    bias: NDArray[np.float32],
    outer: NDArray[np.float32],
    prior: NDArray[np.float32],
    inner_squares: NDArray[np.float32],
    bias_squares: NDArray[np.float32],
    outer_squares: NDArray[np.float32],
    prior_squares: NDArray[np.float32],
    inner_gradient: NDArray[np.float32],
    step: float,
) -> None:
    """Take one AdaGrad step on the softmax loss of the candidate in row `played`."""
    width, hidden = inner.shape
    highest = scores[0]
    for row in range(count):
        highest = max(highest, scores[row])
    total = 0.0
    for row in range(count):
        total += math.exp(scores[row] - highest)
    inner_gradient[:] = 0.0
    bias_gradient = np.zeros(hidden, np.float32)
    outer_gradient = np.zeros(hidden, np.float32)
    back = np.zeros(hidden, np.float32)
    prior_gradient = 0.0
    for row in range(count):
        error = math.exp(scores[row] - highest) / total
        if row == played:
            error -= 1.0
        error *= weight
        if abs(error) < 1e-4:  # adds nothing, and costs as much as a candidate that matters
            continue
        prior_gradient += error * math.log(fused[row])
        for unit in range(hidden):
            outer_gradient[unit] += np.float32(error) * activation[row, unit]
            slope = LEAK if activation[row, unit] < 0.0 else 1.0
            back[unit] = np.float32(error * slope * outer[unit])
            bias_gradient[unit] += back[unit]
        for i in range(width):
            feature = features[row, i]
            if feature != 0.0:
                for unit in range(hidden):
                    inner_gradient[i, unit] += back[unit] * feature
    rate = np.float32(step)
    prior_squares[0] += prior_gradient * prior_gradient
    prior[0] -= rate * prior_gradient / math.sqrt(prior_squares[0])
    for unit in range(hidden):
        outer_squares[unit] += outer_gradient[unit] ** 2
        outer[unit] -= rate * outer_gradient[unit] / np.sqrt(outer_squares[unit])
        bias_squares[unit] += bias_gradient[unit] ** 2
        bias[unit] -= rate * bias_gradient[unit] / np.sqrt(bias_squares[unit])
    for i in range(width):
        for unit in range(hidden):
            gradient = inner_gradient[i, unit]
            inner_squares[i, unit] += gradient * gradient
            inner[i, unit] -= rate * gradient / np.sqrt(inner_squares[i, unit])
