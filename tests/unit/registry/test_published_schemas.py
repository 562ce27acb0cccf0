"""What is registered: closed, in draft 7, without prose, and else what the records take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from musicrec.cloud_events import event_type_of
from musicrec.contracts import ListenEvent
from musicrec.documents import json_schema
from musicrec.registry.published_schemas import _without_prose, published_schema, published_schemas, subject_of
from musicrec.topics import LISTENS, RECORD_TOPICS, Topic

GOLDEN = Path(__file__).resolve().parents[2] / "contract/golden"
TOPICS = pytest.mark.parametrize("topic", RECORD_TOPICS, ids=lambda topic: topic.name)


def schema_of(topic: Topic) -> dict[str, Any]:
    assert topic.record is not None
    found: dict[str, Any] = json.loads(published_schema(topic.record))
    return found


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(part)


def test_every_topic_of_records_has_a_schema_and_a_subject_of_its_own() -> None:
    assert published_schemas().keys() == {topic.name for topic in RECORD_TOPICS}
    assert len({subject_of(topic) for topic in RECORD_TOPICS}) == len(RECORD_TOPICS)


@TOPICS
def test_a_schema_is_a_valid_one_of_draft_7_and_the_same_text_every_time(topic: Topic) -> None:
    Draft7Validator.check_schema(schema_of(topic))
    assert topic.record is not None
    assert published_schema(topic.record) == published_schema(topic.record)


@TOPICS
def test_no_reference_has_a_condition_beside_it_which_draft_7_would_pass_over(topic: Topic) -> None:
    beside = {name for part in parts(schema_of(topic)) if "$ref" in part for name in part}
    assert beside <= {"$ref", "default"}


@TOPICS
def test_every_record_in_a_schema_is_closed_and_nothing_else(topic: Topic) -> None:
    for part in parts(schema_of(topic)):
        is_record = part.get("type") == "object" and "properties" in part
        assert (part.get("additionalProperties") is False) == is_record


@TOPICS
def test_the_fields_of_a_schema_are_those_of_the_published_document(topic: Topic) -> None:
    assert topic.record is not None
    assert schema_of(topic)["properties"].keys() == json_schema(topic.record)["properties"].keys()


GOLDENS = [
    (topic, path)
    for topic in RECORD_TOPICS
    for path in sorted(GOLDEN.glob(f"{event_type_of(topic).removeprefix('dev.musicrec.')}*.json"))
]


@pytest.mark.parametrize(("topic", "path"), GOLDENS, ids=lambda value: getattr(value, "stem", ""))
def test_what_a_record_writes_is_what_its_schema_takes(topic: Topic, path: Path) -> None:
    assert topic.record is not None
    written = json.loads(topic.record.decode(path.read_bytes()).encode())
    Draft7Validator(schema_of(topic)).validate(written)


@pytest.mark.parametrize(("topic", "path"), GOLDENS, ids=lambda value: getattr(value, "stem", ""))
def test_a_value_without_a_field_or_with_a_wrong_one_is_judged_as_by_the_published_document(
    topic: Topic, path: Path
) -> None:
    assert topic.record is not None
    registered = Draft7Validator(schema_of(topic))
    documented = Draft202012Validator(json_schema(topic.record))
    value: dict[str, Any] = json.loads(topic.record.decode(path.read_bytes()).encode())  # without unknown fields
    for name in value:
        for changed in (
            {key: kept for key, kept in value.items() if key != name},
            *({**value, name: other} for other in ("", -1, None, [], {}, "x" * 300, 1.5, True)),
        ):
            assert registered.is_valid(changed) == documented.is_valid(changed), (name, changed)


def test_only_the_registered_schema_refuses_a_field_that_it_does_not_name() -> None:
    value = json.loads((GOLDEN / "listen.v1.json").read_bytes()) | {"mood": "blue"}
    assert not Draft7Validator(schema_of(LISTENS)).is_valid(value)
    assert Draft202012Validator(json_schema(ListenEvent)).is_valid(value)


def test_a_field_that_is_called_description_is_kept_and_prose_is_not() -> None:
    texts = json.dumps([schema_of(topic) for topic in RECORD_TOPICS])
    assert "The listener; also the message key." not in texts
    described = _without_prose({"properties": {"description": {"type": "string", "description": "words"}}})
    assert described == {"properties": {"description": {"type": "string"}}}
