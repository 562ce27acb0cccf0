"""CloudEvents over Kafka, binary mode: the value is the record as it is, the attributes are headers.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding.
"""

import re
from collections.abc import Sequence

from musicrec import __version__
from musicrec.contracts import VersionedRecord
from musicrec.errors import BadInput, DeadLetterReason

SPEC_VERSION = "1.0"
JSON_TYPES = ("application/json", "text/json")


def event_type(record: type[VersionedRecord]) -> str:
    """Return the `ce_type` of a record type.

    >>> from musicrec.contracts import ListenEvent
    >>> event_type(ListenEvent)
    'dev.musicrec.listen-event.v1'
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", record.__name__).lower()
    return f"dev.musicrec.{words}.v1"


def check_headers(headers: Sequence[tuple[str, bytes]], record: type[VersionedRecord]) -> None:
    """Check the CloudEvents headers of a message; a message without any is plain JSON and always passes.

    Raises:
        BadInput: the headers announce something else than this record as JSON in binary mode.
    """
    for name, value in headers:
        text = value.decode(errors="replace") if value is not None else ""
        if name == "content-type":
            _check_content_type(text)
        elif name == "ce_specversion" and text != SPEC_VERSION:
            raise BadInput(
                f"ce_specversion: {text!r}; this release reads {SPEC_VERSION}", DeadLetterReason.UNSUPPORTED_VERSION
            )
        elif name == "ce_type" and text != event_type(record):
            raise BadInput(
                f"ce_type: {text!r}; this topic takes {event_type(record)}", DeadLetterReason.UNSUPPORTED_VERSION
            )


def _check_content_type(text: str) -> None:
    media_type = text.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        raise BadInput(
            "content-type: structured CloudEvents are not read here; send binary mode: the record as the value and the "
            "attributes as ce_ headers",
            DeadLetterReason.MALFORMED,
        )
    if media_type not in JSON_TYPES and not media_type.endswith("+json"):
        raise BadInput(f"content-type: {text!r}; send application/json", DeadLetterReason.MALFORMED)


def headers_for(record: VersionedRecord, event_id: str | None = None) -> list[tuple[str, bytes]]:
    """Return the headers that our agents write beside a record."""
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", event_type(type(record)).encode()),
        ("ce_source", b"/musicrec/" + __version__.encode()),
    ]
    if event_id is not None:
        headers.append(("ce_id", event_id.encode()))
    return headers
