"""The headers of a dead letter; its key and value are those of the refused message, byte for byte."""

from typing import Annotated

from pydantic import Field

from musicrec.contracts.record import Id, Record
from musicrec.errors import DeadLetterReason

HEADER_PREFIX = "dlq-"
MAX_MESSAGE_CHARS = 1_000


class DeadLetter(Record):
    """Why a message was refused, as headers `dlq-<field>` in UTF-8; the message's own headers stay beside them."""

    original_topic: Id
    """Topic that it came from."""
    original_partition: Annotated[int, Field(ge=0)]
    """Partition that it came from."""
    original_offset: Annotated[int, Field(ge=0)]
    """Offset that it came from."""
    original_timestamp: Annotated[int, Field(ge=0)]
    """Its timestamp, epoch milliseconds."""
    reason: DeadLetterReason
    """Why, in one word."""
    error_message: Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]
    """Why, in one sentence: the field, the rule, the way out. Never the payload."""
    app: Id
    """Agent that refused it."""
    app_version: Id
    """Release of that agent."""

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers."""
        fields = self.model_dump(mode="json")
        return [(HEADER_PREFIX + name.replace("_", "-"), str(value).encode()) for name, value in fields.items()]

    @classmethod
    def from_headers(cls, headers: list[tuple[str, bytes]]) -> "DeadLetter":
        """Read the record back from the headers of a dead letter."""
        found = {
            name.removeprefix(HEADER_PREFIX).replace("-", "_"): value.decode(errors="replace")
            for name, value in headers
            if name.startswith(HEADER_PREFIX)
        }
        return cls.model_validate(found, strict=False)
