"""Memory taken out as named arrays and put back: what a snapshot of the recommender is made of.

Every structure owns its part.  It yields pieces small enough that others can run between two of them; pieces of one
name follow each other along the first axis.  While they are taken nothing may be learned; ranking only reads, and may
go on.  Text is one array of UTF-8 and one of lengths: nothing here can hold an object, so nothing has to be unpickled.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from musicrec.errors import Incompatible

T = TypeVar("T")
Array = npt.NDArray[Any]
Pieces = Iterator[tuple[str, Array]]

PIECE_BYTES: Final = 1 << 20
"""Copied in some tenths of a millisecond, like a batch of objects."""
PIECE_ITEMS: Final = 1_000


class State:
    """Whole arrays by name."""

    def __init__(self, arrays: Mapping[str, Array], prefix: str = "") -> None:
        self._arrays = arrays
        self._prefix = prefix

    def part(self, name: str) -> "State":
        """Return what `named(name, …)` yielded."""
        return State(self._arrays, f"{self._prefix}{name}.")

    def holds(self, name: str) -> bool:
        """Return whether there is such an array."""
        return f"{self._prefix}{name}" in self._arrays

    def array(self, name: str, dtype: npt.DTypeLike, *shape: int | None) -> Array:
        """Return an array; None in `shape` stands for any length.

        Raises:
            Incompatible: it is missing, or of another type or shape.
        """
        array = self._arrays.get(f"{self._prefix}{name}")
        if array is None:
            raise Incompatible(f"{self._prefix}{name} is missing")
        fits = array.ndim == len(shape) and all(
            want in (None, length) for want, length in zip(shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(dtype) or not fits:
            raise Incompatible(
                f"{self._prefix}{name} is {array.dtype}{list(array.shape)}; {np.dtype(dtype)}{list(shape)} is needed"
            )
        return array

    def texts(self, name: str) -> list[str]:
        """Return what `texts` took."""
        together = str(self.array(f"{name}_utf8", np.uint8, None).data, "utf-8")
        return list(self.split(name, together, self.array(f"{name}_length", np.int32, None).tolist()))

    def split(self, name: str, together: Any, lengths: Iterable[int]) -> Iterator[Any]:
        """Yield stretches of these lengths of a text, bytes or an array; together they must be all of it."""
        start = 0
        for length in lengths:
            yield together[start : start + length]
            start += length
        if start != len(together):
            raise Incompatible(f"{self._prefix}{name}: lengths add up to {start}, there are {len(together)}")


class Stateful(Protocol):
    """A structure whose memory can be taken out and put back."""

    def state(self) -> Pieces:
        """Yield the memory as pieces of named arrays; nothing may be learned until the last one is taken."""

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; `self` is as made, with the same settings, and keeps copies.

        Raises:
            Incompatible: something is missing or of another shape; `self` is then good for nothing.
        """


def named(name: str, pieces: Pieces) -> Pieces:
    """Yield the pieces of a part under its name."""
    for piece_name, piece in pieces:
        yield f"{name}.{piece_name}", piece


def copied(name: str, array: Array) -> Pieces:
    """Yield copies of an array's rows."""
    rows = max(1, PIECE_BYTES // max(1, array[:1].nbytes))
    for start in range(0, max(1, len(array)), rows):
        yield name, array[start : start + rows].copy()


def numbers(name: str, *values: int) -> Pieces:
    """Yield single numbers as one array, int64."""
    yield name, np.array(values, np.int64)


def texts(name: str, values: Iterable[str]) -> Pieces:
    """Yield texts as UTF-8, and their lengths in characters."""
    for batch in batches(values):
        yield f"{name}_utf8", np.frombuffer("".join(batch).encode(), np.uint8)
        yield f"{name}_length", np.fromiter(map(len, batch), np.int32, len(batch))


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield `PIECE_ITEMS` of them at a time; an empty batch where there are none, so that every name exists."""
    iterator = iter(values)
    batch = list(islice(iterator, PIECE_ITEMS))
    yield batch
    while batch := list(islice(iterator, PIECE_ITEMS)):
        yield batch


def joined(pieces: Iterable[tuple[str, Array]]) -> dict[str, Array]:
    """Return whole arrays out of pieces."""
    by_name: dict[str, list[Array]] = {}
    for name, piece in pieces:
        by_name.setdefault(name, []).append(piece)
    return {name: np.concatenate(found) for name, found in by_name.items()}
