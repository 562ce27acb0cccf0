"""What small networks that learn while lists are made have in common: lessons, and a state that outlives a restart."""

from typing import Any, ClassVar

import numpy as np

from musicrec.recommend.state import Pieces, State, copied, numbers

LEAK = 0.05
"""Slope of the activation below 0: a unit that went quiet can come back."""
SEED = 20
"""The first layer starts from random values, the same in every process: replicas that learn the same, rank the same."""


class TaughtNetwork:
    """Weights by name, each beside the sums of its squared gradients as AdaGrad keeps them.

    Attributes:
        lessons: how many plays it learned from.
    """

    LEARNED: ClassVar[tuple[str, ...]]
    """Names of the weights: `_name` is the array, `_name_squares` the sums."""

    def __init__(self) -> None:
        self.lessons = 0

    def state(self) -> Pieces:
        """Yield weights and what the optimiser knows; see `Stateful`."""
        yield from numbers("lessons", self.lessons)
        for name in self._arrays():
            yield from copied(name, self._array(name))

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        (self.lessons,) = state.array("lessons", np.int64, 1).tolist()
        for name in self._arrays():
            ours = self._array(name)
            ours[:] = state.array(name, ours.dtype, *ours.shape)

    def _arrays(self) -> list[str]:
        return [each for name in self.LEARNED for each in (name, f"{name}_squares")]

    def _array(self, name: str) -> Any:
        return getattr(self, f"_{name}")
