"""How a message says which registered schema its value has: bytes before the value, or a header beside it.

The prefix is what every deserializer of a registry's reads: a zero byte, and the schema's number in four bytes,
big-endian.  The header leaves the value plain JSON; Confluent's deserializers look for it first, in Java since 8.0 and
in Python since 2.10.1.  It holds the schema's GUID (a byte 1, and sixteen) where the registry gives one, and else the
bytes of the prefix, which these deserializers take there too.

Source: Confluent's wire format and the `SchemaId` of its serializers.
"""

import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from musicrec.contracts.record import FRAME_BYTES

VALUE_SCHEMA_ID: Final = "__value_schema_id"
"""Name of the header."""

NUMBER: Final = struct.Struct(">BI")
NUMBERED: Final = 0
"""First byte where the schema's number follows."""
NAMED: Final = b"\1"
"""First byte where its GUID follows."""
assert NUMBER.size == FRAME_BYTES

Headers = list[tuple[str, bytes]]


class Place(StrEnum):
    """Where a message says which schema it has."""

    NONE = "none"
    HEADER = "header"
    PREFIX = "prefix"


class SchemaId(NamedTuple):
    """What a registry calls a schema."""

    number: int
    """Unique within the registry."""
    guid: UUID | None = None
    """The same in every registry; older ones and those of others than Confluent have none."""

    def prefix(self) -> bytes:
        r"""Return the five bytes that stand before a value.

        >>> SchemaId(7).prefix()
        b'\x00\x00\x00\x00\x07'
        """
        return NUMBER.pack(NUMBERED, self.number)

    def header(self) -> tuple[str, bytes]:
        r"""Return the header that stands beside a value.

        >>> SchemaId(7, UUID(int=255)).header()[1][:2], SchemaId(7).header()
        (b'\x01\x00', ('__value_schema_id', b'\x00\x00\x00\x00\x07'))
        """
        return VALUE_SCHEMA_ID, NAMED + self.guid.bytes if self.guid is not None else self.prefix()


class Marks:
    """Marks the values of some topics with their schemas; what goes elsewhere stays as it is."""

    def __init__(self, place: Place = Place.NONE, ids: Mapping[str, SchemaId] | None = None) -> None:
        """Make marks.

        Args:
            place: where they stand.
            ids: by topic the schema of its values.
        """
        known = (ids or {}).items()
        self._prefixes = {topic: found.prefix() for topic, found in known if place is Place.PREFIX}
        self._headers = {topic: found.header() for topic, found in known if place is Place.HEADER}

    def value(self, topic: str, value: bytes | None) -> bytes | None:
        """Return the value as it is published; a tombstone has no schema."""
        return self._prefixes[topic] + value if value is not None and topic in self._prefixes else value

    def headers(self, topic: str, value: bytes | None, headers: Headers) -> Headers:
        """Return the headers as they are published beside `value`."""
        return [*headers, self._headers[topic]] if value is not None and topic in self._headers else headers


NO_MARKS: Final = Marks()
"""Plain JSON, and no header."""
