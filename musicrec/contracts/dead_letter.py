"""The headers of a dead letter; its key and value are those of the refused message, byte for byte."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationError

from musicrec.contracts.record import Id, Record
from musicrec.errors import BadInput, DeadLetterReason

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
        return [(_header(name), str(value).encode()) for name, value in fields.items()]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> "DeadLetter":
        """Read the record back from the headers of a dead letter; of a name that stands twice the last counts.

        Raises:
            BadInput: they do not say why; names the header.
        """
        found = {
            name.removeprefix(HEADER_PREFIX).replace("-", "_"): (value or b"").decode(errors="replace")
            for name, value in headers
            if name.startswith(HEADER_PREFIX)
        }
        try:
            return cls.model_validate(found, strict=False)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False, include_context=False)
            more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
            raise BadInput(f"{_header(str(details[0]['loc'][0]))}: {details[0]['msg']}{more}") from None


def _header(field: str) -> str:
    return HEADER_PREFIX + field.replace("_", "-")
