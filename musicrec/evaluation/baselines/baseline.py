"""What a baseline does."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from musicrec.evaluation.play_memory import Play, PlayMemory, Question, Ranking


class Baseline(Protocol):
    """A model that ranks tracks, by index, from what was played.

    It has settings and nothing else: what it learns belongs to the memory, so that it may be asked about several.
    """

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Rank what comes next."""


@runtime_checkable
class PlayByPlay(Protocol):
    """A baseline that learns from every play something that the memory does not hold."""

    def learn(self, memory: PlayMemory, question: Question, play: Play) -> None:
        """Learn a play that the memory has not learned yet, from what would have been asked right before it."""


Baselines = Mapping[str, Baseline]
"""By name."""
