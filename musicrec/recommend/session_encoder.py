"""What the recommender asks of a trained session encoder: where the next track lies after a session's tracks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

LARGEST_CODE: Final = 127


class SessionEncoder(Protocol):
    """A trained network, and vectors of the tracks that it knows, by row."""

    @property
    def version(self) -> str:
        """A name that differs wherever lists may differ."""

    @property
    def trained_until_ms(self) -> int:
        """Event time up to which it has seen everything, epoch milliseconds."""

    @property
    def longest(self) -> int:
        """Newest tracks of a session that it reads."""

    @property
    def scale(self) -> float:
        """A candidate's logit is this times the cosine of its vector with the session's direction."""

    @property
    def track_ids(self) -> Sequence[str]:
        """By row."""

    @property
    def codes(self) -> "Codes":
        """Unit vectors of the tracks."""

    @property
    def artist_ids(self) -> Sequence[str]:
        """By row of `artist_codes`."""

    @property
    def artist_codes(self) -> "Codes":
        """Unit vectors of artists: where their tracks lie."""

    @property
    def sound_version(self) -> str | None:
        """Of the embedder whose vectors `placed` understands; None for none."""

    def placed(self, artist_id: str | None, sound: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Return where a track lies that it does not know, unit length, shape (dimension,); None if nothing says it."""

    def direction(
        self, places: NDArray[np.float32], skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return where the next track lies, unit length, shape (dimension,).

        Args:
            places: float32, shape (length, dimension), vectors of the tracks before it, the oldest first; overwritten.
            skipped: bool per place, whether that track was.
            gaps_s: int64 per place, seconds from the end of the play before it to its own; 0 where they are unknown.
        """

    def nearest(self, direction: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return up to `k` rows and their cosines, best first."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Unit vectors in a byte per component, each with a step of its own; a cosine is off by some thousandths.

    A list looks at a hundred of them in as many places of the memory: a quarter of the bytes is a quarter of the wait.

    Attributes:
        values: int8, shape (rows, dimension).
        steps: float32, shape (rows,); a vector is its values times its step.
    """

    values: NDArray[np.int8]
    steps: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.float16], rows_at_once: int = 65_536) -> "Codes":
        """Encode vectors, shape (rows, dimension), all of them finite."""
        values = np.zeros(vectors.shape, np.int8)
        steps = np.zeros(len(vectors), np.float32)
        for first in range(0, len(vectors), rows_at_once):
            block = vectors[first : first + rows_at_once].astype(np.float32)
            step = np.maximum(np.abs(block).max(axis=1), 1e-12) / LARGEST_CODE
            values[first : first + rows_at_once] = np.rint(block / step[:, np.newaxis])
            steps[first : first + rows_at_once] = step
        return cls(values, steps)

    def grown(self) -> "Codes":
        """Return the same with room for twice as many."""
        return Codes(np.concatenate([self.values, 0 * self.values]), np.concatenate([self.steps, 0 * self.steps]))


class SessionPlays(NamedTuple):
    """What was heard in a session, the newest first."""

    tracks: NDArray[np.int64]
    """Of the catalogue."""
    skipped: NDArray[np.bool_]
    """Whether each was."""
    ended_at_s: NDArray[np.int64]
    """Event time of each, epoch seconds; 0 where it is unknown."""
