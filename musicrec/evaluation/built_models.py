"""Models that are built from everything known at once, and built anew from time to time.

Such a model belongs to a memory and is built from it alone, so it cannot hold a play that the memory had not learned
when it was asked.  Between two builds it grows old, as it would live.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

M = TypeVar("M")


@dataclass(slots=True)
class BuiltModels:
    """The models of one memory, each with the number of plays that were known when it was built."""

    _built: dict[Hashable, tuple[Any, int]] = field(default_factory=dict)

    def of(self, recipe: Hashable, plays: int, every_plays: int | None, build: Callable[[M | None], M]) -> M:
        """Return the model of `recipe`, built now if there is none or `every_plays` were learned since it was built.

        Args:
            recipe: tells models apart: a baseline with its settings.
            plays: how many are known now.
            every_plays: plays from one build to the next; None for one build at the first question and none after it.
            build: makes the model; it is given the one before, to start from, where there is one.

        >>> models = BuiltModels()
        >>> [models.of("plays known", plays, 10, lambda _: plays) for plays in (3, 12, 13, 22, 23)]
        [3, 3, 13, 13, 23]
        """
        model, built_at = self._built.get(recipe, (None, 0))
        if model is not None and (every_plays is None or plays - built_at < every_plays):
            return cast(M, model)
        made = build(cast(M | None, model))
        self._built[recipe] = made, plays
        return made
