"""What all published records have in common: strict about types, tolerant of unknown fields, immutable."""

from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from musicrec.errors import BadInput, DeadLetterReason

MAX_ID_CHARS = 256
"""Long enough for any URI-shaped id; short enough that an id never dominates a message."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]
EpochMs = Annotated[int, Field(ge=946_684_800_000, le=4_102_444_800_000)]
"""Milliseconds since 1970-01-01 UTC, from 2000 to 2100: seconds or microseconds sent by mistake fall outside."""
DurationMs = Annotated[int, Field(ge=1, le=86_400_000)]
"""A length of audio, up to one day."""
PlayedMs = Annotated[int, Field(ge=0, le=86_400_000)]
"""How long a listen lasted; 0 is a skip before the first sound."""
VARIANT_NAME = "[a-z0-9][a-z0-9_-]{0,31}"
"""Short and plain, because it is a label of metrics and a part of file names."""
VariantName = Annotated[str, StringConstraints(pattern=f"^{VARIANT_NAME}$")]
Title = Annotated[str, StringConstraints(max_length=1024)]
Score = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""Of what has happened: never 0."""
Dial = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
"""A listener's wish between two ends; 0 lies in the middle."""
Market = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
"""A country that rights are given for, ISO 3166-1 alpha-2: `DE`, `US`."""
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
MAX_MARKETS = 300
"""More than there are countries."""


FRAME_BYTES = 5
"""Of a schema registry's serializer."""


class Record(BaseModel):
    """Base of every record on a topic."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", ser_json_inf_nan="null")

    MAX_BYTES: ClassVar[int] = 64 * 1024
    """A larger value is refused before it is parsed."""

    def encode(self) -> bytes:
        """Return the record as JSON, without fields that are None."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Parse and validate a message value.

        JSON may stand behind the frame of a schema registry's serializer, which says nothing that is needed here.

        Raises:
            BadInput: with the reason a dead letter gives, naming the field and the offending value's type.
        """
        if not value:
            raise BadInput("the message has no value", DeadLetterReason.EMPTY)
        value = without_frame(value)
        if len(value) > cls.MAX_BYTES:
            raise BadInput(f"{len(value)} bytes; {cls.__name__} allows {cls.MAX_BYTES}", DeadLetterReason.TOO_LARGE)
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise _bad_input(cls.__name__, error) from None


def without_frame(value: bytes) -> bytes:
    r"""Return a value without the frame of a schema registry's JSON serializer: a zero byte and a schema id of four.

    No JSON begins with a zero byte.  Source: Confluent's wire format, which Karapace and Apicurio write too.

    >>> without_frame(b'\x00\x00\x00\x00\x07{}'), without_frame(b"{}")
    (b'{}', b'{}')
    """
    return value[FRAME_BYTES:] if value[:1] == b"\0" and len(value) > FRAME_BYTES else value


class VersionedRecord(Record):
    """A record that states the version of its schema; absent means 1."""

    # Not Literal[1]: that compares as Python does, and true and 1.0 would pass for 1.
    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    """Major version of the schema. Fields are only ever added within a major version."""


def reject(kind: str, message: str) -> PydanticCustomError:
    """Return the error a validator raises; `kind` names the rule."""
    return PydanticCustomError("contract", "{message}", {"message": message, "kind": kind})


def _bad_input(record: str, error: ValidationError) -> BadInput:
    details = error.errors(include_url=False, include_input=False, include_context=False)
    first = details[0]
    if first["type"] == "json_invalid":
        return BadInput(f"not JSON: {first['msg']}", DeadLetterReason.MALFORMED)
    if not first["loc"] and first["type"] in ("model_type", "model_attributes_type"):
        return BadInput(f"a JSON object is needed for {record}", DeadLetterReason.MALFORMED)
    version = next((d for d in details if d["loc"] == ("schema_version",)), None)
    if version is not None:
        return BadInput(
            f"schema_version: {version['msg']}; this release reads version 1", DeadLetterReason.UNSUPPORTED_VERSION
        )
    where = ".".join(str(part) for part in first["loc"]) or record
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return BadInput(f"{where}: {first['msg']}{more}")
