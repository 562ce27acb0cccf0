"""What small audio indices of tests have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.audio_neighbours import NO_VECTOR


class FewSounds(ABC):
    """An index whose vectors are asked for one by one, by an id; a track's number is that of its first question."""

    moves = 0
    _numbered: tuple[str, ...] = ()

    @abstractmethod
    def vector(self, track_id: str) -> NDArray[np.float32] | None:
        """See `AudioIndex`."""

    @abstractmethod
    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        """Return up to `k` track ids and their cosines, best first."""

    def numbered(self) -> "FewSounds":
        """See `AudioIndex`."""
        return self

    @property
    def dimension(self) -> int:
        """See `NumberedVectors`."""
        return max((len(row) for track_id in self._numbered if (row := self.vector(track_id)) is not None), default=0)

    def number_of(self, track_id: str) -> int:
        """See `NumberedVectors`."""
        if self.vector(track_id) is None:
            return NO_VECTOR
        if track_id not in self._numbered:
            self._numbered = (*self._numbered, track_id)
        return self._numbered.index(track_id)

    def tracks_of(self, numbers: Sequence[int]) -> list[str]:
        """See `NumberedVectors`."""
        return [self._numbered[number] for number in numbers]

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `NumberedVectors`."""
        return np.stack([self.vector(track_id) for track_id in self.tracks_of(numbers.tolist())])

    def nearest(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """See `NumberedVectors`."""
        return np.array([self.number_of(track_id) for track_id, _ in self.search(vector, k)], np.int64)
