"""Many messages of one kind in little memory: each deflated with an earlier one as its dictionary (RFC 1950, FDICT).

Messages of a topic share field names, headers and most of their values, so an event of 200 to 500 bytes becomes 40 to
150; as the tuples and strings that a client gives it would be a thousand.
"""

import zlib
from struct import Struct
from typing import Final, NamedTuple

_HEAD: Final = Struct("<qqiH")
"""Offset, timestamp, bytes of the value or -1 for None, number of headers."""
_HEADER: Final = Struct("<HI")
"""Bytes of the name, bytes of the value."""
_WINDOW_BITS: Final = -15
"""Of 32 kB, without zlib's own header and check sum."""
_MEMORY_LEVEL: Final = 1
"""Set up in microseconds, which is most of the work for so little."""


class Message(NamedTuple):
    """What is packed: all of a message but its topic, partition and key."""

    offset: int
    timestamp_ms: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Packing:
    """Packs and unpacks messages.

    Args:
        sample: a message like those that are to come.
    """

    def __init__(self, sample: Message) -> None:
        self._dictionary = _serialized(sample)

    def pack(self, message: Message) -> bytes:
        """Return the message, packed."""
        deflate = zlib.compressobj(1, wbits=_WINDOW_BITS, memLevel=_MEMORY_LEVEL, zdict=self._dictionary)
        return deflate.compress(_serialized(message)) + deflate.flush()

    def unpack(self, packed: bytes) -> Message:
        """Return what was packed."""
        return _parsed(zlib.decompressobj(_WINDOW_BITS, zdict=self._dictionary).decompress(packed))


def _serialized(message: Message) -> bytes:
    length = -1 if message.value is None else len(message.value)
    parts = [_HEAD.pack(message.offset, message.timestamp_ms, length, len(message.headers))]
    for name, value in message.headers:
        encoded = name.encode()
        parts += [_HEADER.pack(len(encoded), len(value)), encoded, value]
    return b"".join([*parts, message.value or b""])


def _parsed(value: bytes) -> Message:
    offset, timestamp_ms, length, count = _HEAD.unpack_from(value)
    at = _HEAD.size
    headers = []
    for _ in range(count):
        name_length, value_length = _HEADER.unpack_from(value, at)
        named = at + _HEADER.size + name_length
        headers.append((value[at + _HEADER.size : named].decode(), value[named : named + value_length]))
        at = named + value_length
    return Message(offset, timestamp_ms, None if length < 0 else value[at:], tuple(headers))
