"""Memory that a decoder writes samples into, and the service reads them from.

A socket would hand them over a tenth at a time, and for each the service would have to wait for the interpreter, which
its encoder holds: with both at work, a third of all tracks per second.

Read, and not mapped: a decoder that was taken over may cut the file short at any moment, and whoever touches a mapped
page that is gone dies.
"""

import os
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedder.fetched_audio import nameless_file

_SAMPLE_BYTES = 4


class SharedSamples:
    """Room for float32 samples; close it when its decoder is gone."""

    def __init__(self, descriptor: int, room: int) -> None:
        self.descriptor = descriptor
        self.room = room
        """Samples that fit in."""

    @classmethod
    def make(cls, room: int) -> Self:
        """Return room for so many samples.

        Raises:
            OSError: the system has none, or no descriptor for it.
        """
        descriptor = nameless_file()
        try:
            os.ftruncate(descriptor, _SAMPLE_BYTES * room)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, room)

    def read(self, count: int) -> NDArray[np.float32] | None:
        """Return a copy of the first samples; None where so many are not there."""
        if not 0 <= count <= self.room:
            return None
        samples = np.empty(count, np.float32)
        return samples if os.preadv(self.descriptor, [samples.data], 0) == samples.nbytes else None

    def close(self) -> None:
        """Give the memory back; closing twice does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
