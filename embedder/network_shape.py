"""Everything that fixes the shapes of the weights."""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["light", "alexnet", "transformer"]
Precision = Literal["int8", "float32"]
"""Of the numbers that a CPU computes with."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Which network, and how long its answers are."""

    architecture: Architecture
    classes: int
    learned: int
    """Components of the vector that come from the images."""
    described: int
    """Components that come from the descriptors."""

    @property
    def dimension(self) -> int:
        """Length of a track's vector."""
        return self.learned + self.described
