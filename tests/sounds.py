"""What small audio indices of tests have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class FewSounds(ABC):
    """An index whose vectors are asked for one by one."""

    @abstractmethod
    def vector(self, track_id: str) -> NDArray[np.float32] | None:
        """See `AudioIndex`."""

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """See `AudioIndex`."""
        known = [self.vector(track_id) for track_id in track_ids]
        rows = np.zeros((len(known), max((len(each) for each in known if each is not None), default=0)), np.float32)
        for row, each in zip(rows, known, strict=True):
            row[:] = 0.0 if each is None else each
        return rows
