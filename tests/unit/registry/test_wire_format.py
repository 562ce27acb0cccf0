"""Where a message says which registered schema its value has."""

from uuid import UUID

import pytest
from confluent_kafka.schema_registry import dual_schema_id_deserializer, header_schema_id_serializer
from confluent_kafka.schema_registry.serde import SchemaId as TheirId
from confluent_kafka.serialization import MessageField, SerializationContext

from musicrec.contracts import ListenEvent
from musicrec.contracts.record import without_frame
from musicrec.errors import BadInput
from musicrec.registry.wire_format import NO_MARKS, VALUE_SCHEMA_ID, Marks, Place, SchemaId

TOPIC = "musicrec.recommendations.v1"
VALUE = b'{"list_id":"l-1"}'
HEADERS = [("content-type", b"application/json")]
NUMBERED = SchemaId(70_000)
NAMED = SchemaId(70_000, UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479"))


def read_by_confluent(value: bytes, headers: list[tuple[str, bytes]]) -> tuple[TheirId, bytes]:
    found = TheirId("JSON")
    context = SerializationContext(TOPIC, MessageField.VALUE, headers)
    return found, dual_schema_id_deserializer(value, context, found).read()


def test_without_marks_value_and_headers_are_the_same_objects() -> None:
    assert NO_MARKS.value(TOPIC, VALUE) is VALUE
    assert NO_MARKS.headers(TOPIC, VALUE, HEADERS) is HEADERS


def test_a_prefix_is_read_by_confluents_deserializer_and_passed_over_by_ours() -> None:
    value = Marks(Place.PREFIX, {TOPIC: NUMBERED}).value(TOPIC, VALUE)
    assert value is not None
    found, rest = read_by_confluent(value, HEADERS)
    assert (found.id, rest) == (70_000, VALUE)
    assert without_frame(value) == VALUE


def test_a_header_with_a_number_is_read_by_confluents_deserializer_and_the_value_stays_plain() -> None:
    marks = Marks(Place.HEADER, {TOPIC: NUMBERED})
    assert marks.value(TOPIC, VALUE) is VALUE
    found, rest = read_by_confluent(VALUE, marks.headers(TOPIC, VALUE, HEADERS))
    assert (found.id, rest) == (70_000, VALUE)


def test_a_header_with_a_guid_is_what_confluents_serializer_writes() -> None:
    theirs: list[tuple[str, bytes]] = []
    their_id = TheirId("JSON", 70_000, str(NAMED.guid))
    header_schema_id_serializer(VALUE, SerializationContext(TOPIC, MessageField.VALUE, theirs), their_id)
    assert theirs == [NAMED.header()]


@pytest.mark.parametrize("place", list(Place))
def test_a_tombstone_and_another_topic_are_left_as_they_are(place: Place) -> None:
    marks = Marks(place, {TOPIC: NAMED})
    assert marks.value(TOPIC, None) is None
    assert marks.headers(TOPIC, None, HEADERS) is HEADERS
    assert marks.value("musicrec.listens.v1.dlq", VALUE) is VALUE
    assert marks.headers("musicrec.listens.v1.dlq", VALUE, HEADERS) is HEADERS


def test_the_headers_of_a_message_stay_before_the_mark() -> None:
    marked = Marks(Place.HEADER, {TOPIC: NAMED}).headers(TOPIC, VALUE, HEADERS)
    assert [name for name, _ in marked] == ["content-type", VALUE_SCHEMA_ID]


def test_a_value_of_just_the_largest_size_is_taken_with_its_prefix() -> None:
    body = b'{"event_id":"e","user_id":"u","type":"like","track_id":"t","occurred_at_ms":1700000000000}'
    value = body + b" " * (ListenEvent.MAX_BYTES - len(body))
    assert ListenEvent.decode(NUMBERED.prefix() + value).event_id == "e"
    with pytest.raises(BadInput, match="bytes; ListenEvent allows"):
        ListenEvent.decode(NUMBERED.prefix() + value + b" ")
