"""CloudEvents over Kafka in binary mode: the value is the record as it is, the attributes are headers.

Publishers may leave all of it out: a message without `ce_` headers is plain JSON.  Structured mode, where the record is
wrapped in an envelope, is refused with a reason.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding 1.0.2.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from musicrec import __version__
from musicrec.contracts import (
    CatalogueRule,
    ListenEvent,
    ModelAnnouncement,
    Outcome,
    Recommendation,
    RecommendationRequest,
    SessionSnapshot,
    TrackEmbedding,
    VersionedRecord,
)
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import RECORD_TOPICS, Topic

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
SOURCE: Final = f"/musicrec/{__version__}"
"""`ce_source` of what our agents write; publishers write their own."""


def event_type_of(topic: Topic) -> str:
    """Return the `ce_type` of a topic's records.

    >>> from musicrec.topics import EMBEDDINGS, LISTENS
    >>> event_type_of(LISTENS), event_type_of(EMBEDDINGS)
    ('dev.musicrec.listen.v1', 'dev.musicrec.track-embedding.v1')
    """
    domain, entities, version = topic.name.split(".")
    return f"dev.{domain}.{entities.removesuffix('s')}.{version}"


EVENT_TYPES: Final = {topic.record: event_type_of(topic) for topic in RECORD_TOPICS}
_FIXED_HEADERS: Final = {
    record: (
        ("content-type", CONTENT_TYPE.encode()),
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", name.encode()),
        ("ce_source", SOURCE.encode()),
    )
    for record, name in EVENT_TYPES.items()
}


def event_type(record: type[VersionedRecord]) -> str:
    """Return the `ce_type` of a record."""
    return EVENT_TYPES[record]


def check_headers(headers: Sequence[tuple[str, bytes]], record: type[VersionedRecord]) -> None:
    """Check the CloudEvents headers of a message.

    Raises:
        BadInput: MALFORMED for structured mode or a content type that is not JSON, UNSUPPORTED_VERSION for another
            CloudEvents version or the type of another topic.
    """
    found = {
        name: (value or b"").decode(errors="replace")
        for name, value in headers
        if name == "content-type" or name.startswith("ce_")
    }
    if not found:
        return
    content_type = found.pop("content-type", CONTENT_TYPE)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        raise BadInput(
            f"content-type: {content_type[:80]!r} is CloudEvents' structured mode; send binary mode: the record as the "
            "value, the attributes as ce_ headers",
            DeadLetterReason.MALFORMED,
        )
    if not found:
        return  # no CloudEvent: plain JSON, whatever a framework wrote as its type
    if media_type != CONTENT_TYPE and not media_type.endswith("+json"):
        raise BadInput(f"content-type: {content_type[:80]!r}; {CONTENT_TYPE} is needed", DeadLetterReason.MALFORMED)
    _check_attribute("ce_specversion", found, SPEC_VERSION)
    _check_attribute("ce_type", found, EVENT_TYPES[record])


def headers_for(record: VersionedRecord) -> list[tuple[str, bytes]]:
    """Return the headers that our agents write beside a record.

    `ce_id` is a function of the record, so what is emitted twice after a crash can be recognised by its headers.
    """
    headers = list(_FIXED_HEADERS[type(record)])
    cause = _id_and_time(record)
    if cause is not None:
        identity, time_ms = cause
        headers += [("ce_id", identity.encode()), ("ce_time", rfc_3339(time_ms).encode())]
    return headers


def rfc_3339(time_ms: int) -> str:
    """Return epoch milliseconds as CloudEvents writes times.

    >>> rfc_3339(1_600_000_000_123)
    '2020-09-13T12:26:40.123Z'
    """
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id_and_time(record: VersionedRecord) -> tuple[str, int] | None:
    match record:
        case ListenEvent():
            return record.event_id, record.occurred_at_ms
        case SessionSnapshot():
            return f"{record.user_id}@{record.revision}", record.trigger.occurred_at_ms
        case RecommendationRequest():
            return record.request_id, record.requested_at_ms
        case Recommendation():
            return record.list_id, record.generated_at_ms
        case Outcome():
            return record.event_id, record.played_at_ms
        case TrackEmbedding():
            return f"{record.track_id}@{record.embedded_at_ms}", record.embedded_at_ms
        case ModelAnnouncement():
            return f"{record.name}@{record.announced_at_ms}", record.announced_at_ms
        case CatalogueRule():
            return f"{record.name}@{record.published_at_ms}", record.published_at_ms
        case _:
            return None  # a track: the platform writes it, and knows its own id and time


def _check_attribute(name: str, found: dict[str, str], expected: str) -> None:
    if found.get(name, expected) != expected:
        raise BadInput(
            f"{name}: {found[name][:80]!r}; this topic takes {expected}", DeadLetterReason.UNSUPPORTED_VERSION
        )
