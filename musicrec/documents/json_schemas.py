"""JSON Schema 2020-12 of the records, from the models that decode them.

A schema accepts all that the decoder accepts, and nothing else, with these exceptions: JSON Schema takes 1.0 for an
integer and the decoder does not; sizes in bytes, the vector inside its base64, and that a rule ends after it begins are
checked by the decoder alone.
Unknown fields are allowed, because readers ignore them.
"""

from enum import Enum
from typing import Any, Final

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from musicrec.cloud_events import event_type_of
from musicrec.contracts import (
    CatalogueRule,
    DeadLetter,
    Degradation,
    EventType,
    ListenEvent,
    ListenOutcome,
    Mode,
    ModelAnnouncement,
    ModelFiles,
    RankingVariant,
    ReasonCode,
    RecommendationRequest,
    Record,
    RuleEffect,
)
from musicrec.contracts.model import DEFAULT_VARIANT, FOLDER_BELOW, VARIANT_PREFIX
from musicrec.contracts.record import VARIANT_NAME
from musicrec.documents.field_docs import DocumentedFields
from musicrec.documents.member_docs import member_docs
from musicrec.errors import DeadLetterReason
from musicrec.topics import RECORD_TOPICS

Json = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEAD_LETTER_TYPE: Final = "dev.musicrec.dead-letter.v1"
ENUMS: Final = (EventType, ListenOutcome, Mode, ReasonCode, Degradation, DeadLetterReason, RuleEffect)
"""Closed lists of words, whose members the schemas explain one by one."""
MAX_BYTES_KEY: Final = "x-max-bytes"
"""Annotation of a record's schema: the largest value that is taken, in bytes."""


def schema_id(record: type[Record]) -> str:
    """Return the name of a record's schema.

    >>> schema_id(ListenEvent)
    'urn:dev.musicrec.listen.v1'
    """
    names: dict[type[Record], str] = {
        topic.record: event_type_of(topic) for topic in RECORD_TOPICS if topic.record is not None
    }
    return f"urn:{names.get(record, DEAD_LETTER_TYPE)}"


def json_schema(record: type[Record]) -> Json:
    """Return the schema of one record, complete in itself."""
    definitions = schema_definitions([record], ref="#/$defs/{model}")
    own = definitions.pop(record.__name__)
    return {"$schema": DIALECT, "$id": schema_id(record), **own} | ({"$defs": definitions} if definitions else {})


def schema_definitions(records: list[type[Record]], *, ref: str) -> dict[str, Json]:
    """Return the schemas of `records` and of all that they hold, by name.

    Args:
        records: models.
        ref: where the definitions will lie, with `{model}` for the name.
    """
    models: list[tuple[type[Record], JsonSchemaMode]] = [(record, "validation") for record in records]
    _, schema = models_json_schema(models, ref_template=ref, schema_generator=DocumentedFields)
    definitions: dict[str, Json] = schema["$defs"]
    for definition in definitions.values():
        _drop_field_titles(definition)
    for enum in ENUMS:
        if enum.__name__ in definitions:
            _describe_members(definitions[enum.__name__], enum)
    for record in records:
        definitions[record.__name__] |= {MAX_BYTES_KEY: record.MAX_BYTES}
    for model, conditions in _CONDITIONS.items():
        if model.__name__ in definitions:
            definitions[model.__name__] |= conditions
    return definitions


def dead_letter_headers() -> Json:
    """Return the schema of a dead letter's headers, which are text."""
    schema = schema_definitions([DeadLetter], ref="#/components/schemas/{model}")[DeadLetter.__name__]
    reasons = schema_definitions([DeadLetter], ref="")[DeadLetterReason.__name__]
    properties = {
        f"dlq-{name.replace('_', '-')}": {"type": "string", "description": field.get("description", "")}
        for name, field in schema["properties"].items()
    }
    properties["dlq-reason"] = {key: reasons[key] for key in ("type", "enum", "description")}
    return {
        "type": "object",
        "description": "Beside the refused message's own headers.",
        "properties": properties,
        "required": sorted(properties),
    }


def _needs(types: list[str], field: str) -> Json:
    """Return the rule that events of these types have that field."""
    return {
        "if": {"properties": {"type": {"enum": types}}, "required": ["type"]},
        "then": {"properties": {field: {"not": {"type": "null"}}}, "required": [field]},
    }


_CONDITIONS: Final[dict[type[Record], Json]] = {
    # What the models' own validators demand; a test holds the two against each other.
    ListenEvent: {
        "allOf": [
            _needs([kind.value for kind in EventType if kind.is_about_artist], "artist_id"),
            _needs([kind.value for kind in EventType if kind.is_about_track], "track_id"),
            _needs([kind.value for kind in EventType if kind.is_listen], "ms_played"),
            _needs([EventType.SET_DISCOVERY.value], "discovery"),
        ]
    },
    RecommendationRequest: {
        "allOf": [
            {
                "if": {"properties": {"mode": {"const": Mode.SIMILAR.value}}, "required": ["mode"]},
                "then": {"properties": {"track_id": {"not": {"type": "null"}}}, "required": ["track_id"]},
            }
        ]
    },
    ModelAnnouncement: {
        "if": {"properties": {"name": {"pattern": f"^{VARIANT_PREFIX}"}}, "required": ["name"]},
        "then": {
            "properties": {
                "name": {"pattern": f"^{VARIANT_PREFIX}(?!{DEFAULT_VARIANT}$){VARIANT_NAME}$"},
                "variant": {"not": {"type": "null"}},
                "files": {"type": "null"},
            },
            "required": ["variant"],
        },
        "else": {
            "properties": {"files": {"not": {"type": "null"}}, "variant": {"type": "null"}},
            "required": ["files"],
        },
    },
    RankingVariant: {
        "if": {"properties": {"shadow": {"const": True}}, "required": ["shadow"]},
        "then": {"properties": {"share": {"const": 0}}},
        "else": {"properties": {"share": {"exclusiveMinimum": 0}}, "required": ["share"]},
    },
    CatalogueRule: {
        "anyOf": [
            *(
                {"properties": {field: {"minItems": 1}}, "required": [field]}
                for field in ("tracks", "artists", "labels")
            ),
            {
                "properties": {"effect": {"const": RuleEffect.DENY.value}, "markets": {"minItems": 1}},
                "required": ["markets"],
            },
        ]
    },
    ModelFiles: {"allOf": [{"properties": {"folder": {"pattern": FOLDER_BELOW}}}]},
}


def _drop_field_titles(definition: Json) -> None:
    """Drop pydantic's titles of fields, which only repeat the field's name."""
    for field in definition.get("properties", {}).values():
        field.pop("title", None)


def _describe_members(definition: Json, enum: type[Enum]) -> None:
    docs = member_docs(enum)
    lines = [f"- `{value}`: {docs[value]}" if docs.get(value) else f"- `{value}`" for value in definition["enum"]]
    definition["description"] = definition["description"] + "\n\n" + "\n".join(lines)
