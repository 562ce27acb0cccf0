"""What a baseline does."""

from collections.abc import Mapping
from typing import Protocol

from musicrec.evaluation.play_memory import PlayMemory, Question, Ranking


class Baseline(Protocol):
    """A model that ranks tracks, by index, from what was played."""

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Rank what comes next."""


Baselines = Mapping[str, Baseline]
"""By name."""
