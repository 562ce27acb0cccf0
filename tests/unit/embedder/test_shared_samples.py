"""Memory that a decoder writes into."""

import mmap
import os

import numpy as np
import pytest

from embedder.shared_samples import SharedSamples


def test_what_is_written_into_the_memory_is_read_as_a_copy() -> None:
    shared = SharedSamples.make(4)
    there = np.frombuffer(mmap.mmap(shared.descriptor, 0), np.float32)
    there[:3] = (0.5, -1.0, 0.25)
    heard = shared.read(3)
    there[:] = 9.0
    assert heard is not None
    assert heard.tolist() == [0.5, -1.0, 0.25]
    shared.close()
    shared.close()


@pytest.mark.row(31)
@pytest.mark.parametrize("count", [-1, 5, 2**60])
def test_no_more_is_read_than_there_is_room_for(count: int) -> None:
    shared = SharedSamples.make(4)
    assert shared.read(count) is None
    shared.close()


@pytest.mark.row(31)
def test_memory_that_a_decoder_cuts_short_is_noticed() -> None:
    shared = SharedSamples.make(4)
    os.ftruncate(shared.descriptor, 8)
    assert shared.read(4) is None
    shared.close()
