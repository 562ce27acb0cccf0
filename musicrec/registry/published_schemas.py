"""What is registered: the schema of each topic's values, as a registry can compare it with what comes after.

It differs from `deploy/contracts/schemas` in three things:

- It is closed: it names all that our writers write.  An open schema promises a registry that a field that it does not
  name may be anything, so that no later one may name it.  Readers ignore unknown fields all the same.
- It is in draft 7, which every registry compares; Apicurio 3.0 compares no later one.  Our schemas use no word that the
  later drafts read in another way.
- It is without prose: a better sentence is no new version, and no new id.

Source: R. Yokota, "Understanding JSON Schema Compatibility", 2021, and "JSON Schema Compatibility and the Robustness
Principle", 2025.
"""

import json
from typing import Any, Final

from musicrec.contracts import VersionedRecord
from musicrec.documents.json_schemas import schema_definitions
from musicrec.topics import RECORD_TOPICS, Topic

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
SCHEMA_TYPE: Final = "JSON"

PROSE: Final = frozenset({"description"})
NAMED_SCHEMAS: Final = frozenset({"properties", "definitions", "patternProperties"})
"""Words whose value is a map by names, which may be called like a word of prose."""


def subject_of(topic: Topic) -> str:
    """Return the subject of a topic's values, by Confluent's TopicNameStrategy.

    >>> from musicrec.topics import LISTENS
    >>> subject_of(LISTENS)
    'musicrec.listens.v1-value'
    """
    return f"{topic.name}-value"


def published_schemas() -> dict[str, str]:
    """Return the schema to register for each topic of records, by the topic's name."""
    return {topic.name: published_schema(topic.record) for topic in RECORD_TOPICS if topic.record is not None}


def published_schema(record: type[VersionedRecord]) -> str:
    """Return a record's schema as it is registered: JSON, always the same bytes."""
    definitions = schema_definitions([record], ref="#/definitions/{model}")
    own = definitions.pop(record.__name__)
    schema = {"$schema": DIALECT, **own} | ({"definitions": definitions} if definitions else {})
    return json.dumps(_closed(_without_prose(schema)), sort_keys=True, separators=(",", ":"))


def _closed(part: Any) -> Any:
    """Close every object that names its fields; conditions, which name some, say no type."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(value) for name, value in part.items()}
    is_record = part.get("type") == "object" and isinstance(part.get("properties"), dict)
    return closed | {"additionalProperties": False} if is_record else closed


def _without_prose(part: Any, *, names: bool = False) -> Any:
    if isinstance(part, list):
        return [_without_prose(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _without_prose(value, names=not names and name in NAMED_SCHEMAS)
        for name, value in part.items()
        if names or name not in PROSE
    }
