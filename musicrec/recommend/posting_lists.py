"""For each of many keys, its newest values: bounded lists in one growing block of memory.

A list starts with room for four values and doubles until `max_length`; from then on a new value takes the place of the
oldest.  Outgrown blocks are handed to the next list of that size, so the memory is at most about twice what the values
need, and nothing is allocated per key.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import Incompatible
from musicrec.kernel import kernel
from musicrec.recommend.state import Pieces, State, copied

FIRST_ROOM: Final = 4
"""Most tracks are played a few times only."""


class PostingLists:
    """Newest values per key.

    Attributes:
        values: int64, the blocks of all keys.
        start: int64 per key, where its block begins.
        room: int32 per key, length of its block; 0 before the first value.
        written: int64 per key, how many values it was given in all.
    """

    def __init__(self, max_length: int, keys: int = 1024) -> None:
        if max_length < FIRST_ROOM or max_length & (max_length - 1):
            raise Incompatible(f"max_length: {max_length} is not a power of two from {FIRST_ROOM} up")
        self.max_length = max_length
        self.values: NDArray[np.int64] = np.zeros(max(4 * keys, 4 * max_length), np.int64)
        self.start: NDArray[np.int64] = np.zeros(keys, np.int64)
        self.room: NDArray[np.int32] = np.zeros(keys, np.int32)
        self.written: NDArray[np.int64] = np.zeros(keys, np.int64)
        # Where the unused memory begins, then the first free block of each size (room 4, 8, 16 …), -1 for none.
        self._free: NDArray[np.int64] = np.full(1 + max_length.bit_length(), -1, np.int64)
        self._free[0] = 0

    def grow(self, keys: int) -> None:
        """Make room for keys below `keys`."""
        more = keys - len(self.start)
        if more > 0:
            self.start = np.concatenate([self.start, np.zeros(more, np.int64)])
            self.room = np.concatenate([self.room, np.zeros(more, np.int32)])
            self.written = np.concatenate([self.written, np.zeros(more, np.int64)])

    def append(self, key: int, value: int) -> None:
        """Add `value` as the newest of `key`."""
        self._make_room(1)
        append_value(self.values, self.start, self.room, self.written, self._free, self.max_length, key, value)

    def append_each(self, keys: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add each of `values` as the newest of the key in its place."""
        self._make_room(len(keys))
        append_values(self.values, self.start, self.room, self.written, self._free, self.max_length, keys, values)

    def _make_room(self, added: int) -> None:
        """Have unused cells for so many values of different keys, whatever room these need."""
        while self._free[0] + added * self.max_length > len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])

    def remove(self, key: int, value: int) -> None:
        """Take `value` out of those of `key`, wherever it stands; what was dropped for it does not come back."""
        room, written, start = int(self.room[key]), int(self.written[key]), int(self.start[key])
        block = self.values[start : start + room]
        oldest_first = np.roll(block, -(written % room)) if written > room else block[:written].copy()
        left = oldest_first[oldest_first != value]
        block[: len(left)] = left
        self.written[key] = len(left)

    def clear(self, key: int) -> None:
        """Take out all values of `key`; it keeps its room."""
        self.written[key] = 0

    def newest_first(self, key: int) -> list[int]:
        """Return the values kept of `key`, the newest first."""
        written, room, start = int(self.written[key]), int(self.room[key]), int(self.start[key])
        kept = min(written, room)
        return [int(self.values[start + (written - 1 - i) % room]) for i in range(kept)]

    def state(self) -> Pieces:
        """Yield the lists as they lie in memory, free blocks included; see `Stateful`."""
        yield from copied("free", self._free)
        for name in ("start", "room", "written"):
            yield from copied(name, getattr(self, name))
        yield from copied("values", self.values[: self._free[0]])

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self._free = state.array("free", np.int64, len(self._free)).copy()
        self.start = state.array("start", np.int64, None).copy()
        self.room = state.array("room", np.int32, len(self.start)).copy()
        self.written = state.array("written", np.int64, len(self.start)).copy()
        values = state.array("values", np.int64, int(self._free[0]))
        length = len(self.values)
        while length < len(values):
            length *= 2
        self.values = np.zeros(length, np.int64)
        self.values[: len(values)] = values


@kernel
def append_value(
    values: NDArray[np.int64],
    start: NDArray[np.int64],
    room: NDArray[np.int32],
    written: NDArray[np.int64],
    free: NDArray[np.int64],
    max_length: int,
    key: int,
    value: int,
) -> None:
    """Write one value; `values` must have `max_length` unused cells at its end."""
    count = written[key]
    size = room[key]
    if count >= size and size < max_length:
        larger = FIRST_ROOM if size == 0 else 2 * size
        at = _take_block(values, free, larger)
        for i in range(size):
            values[at + i] = values[start[key] + i]
        if size > 0:
            _give_block(values, free, start[key], size)
        start[key] = at
        room[key] = larger
        size = larger
    values[start[key] + count % size] = value
    written[key] = count + 1


@kernel
def append_values(
    values: NDArray[np.int64],
    start: NDArray[np.int64],
    room: NDArray[np.int32],
    written: NDArray[np.int64],
    free: NDArray[np.int64],
    max_length: int,
    keys: NDArray[np.int64],
    added: NDArray[np.int64],
) -> None:
    """Write one value per key; `values` must have `max_length` unused cells at its end for each."""
    for i in range(len(keys)):
        append_value(values, start, room, written, free, max_length, keys[i], added[i])


@kernel
def _size_class(size: int) -> int:
    index = 1
    while size > FIRST_ROOM:
        size //= 2
        index += 1
    return index


@kernel
def _take_block(values: NDArray[np.int64], free: NDArray[np.int64], size: int) -> int:
    index = _size_class(size)
    at = free[index]
    if at >= 0:
        free[index] = values[at]  # a free block names the next one in its first cell
        return int(at)
    at = free[0]
    free[0] = at + size
    return int(at)


@kernel
def _give_block(values: NDArray[np.int64], free: NDArray[np.int64], at: int, size: int) -> None:
    index = _size_class(size)
    values[at] = free[index]
    free[index] = at
