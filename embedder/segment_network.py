"""What the encoder asks of a network, whatever runs it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from embedder.features.namespace import Array


class SegmentAnswer(NamedTuple):
    """What the network says of each segment of a track."""

    embedding: NDArray[np.float32]
    """(segments, learned)"""
    logits: NDArray[np.float32]
    """(segments, classes)"""


class SegmentNetwork(Protocol):
    """Log-mel images in, places in the space of sounds and class scores out."""

    def run(self, tracks: Sequence[Array]) -> list[SegmentAnswer]:
        """Run the network.

        Args:
            tracks: images of each, shape (segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 1, where `TrackFeatures` has
                them.
        """
