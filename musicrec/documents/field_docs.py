"""The docstrings below a model's fields, read from its source when a document needs them and not at every start."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonRef, JsonSchemaValue

from musicrec.documents.docs_below import docs_below


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field, by the field's name; a field keeps the text of the class that it comes from.

    >>> from musicrec.contracts import ListenEvent
    >>> field_docs(ListenEvent)["user_id"]
    "The listener; also the message key, so that one listener's events stay in order."
    """
    docs: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__.partition(".")[0] not in ("pydantic", "pydantic_settings"):
            docs |= docs_below(owner)
    return {name: text for name, text in docs.items() if name in model.model_fields}


class DocumentedFields(GenerateJsonSchema):
    """JSON Schemas whose properties have the text below their fields as description."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a model."""
        made = super().model_schema(schema)
        for name, text in field_docs(schema["cls"]).items():
            field = made["properties"][name]
            if self._of_definition(field).get("description") != text:  # what that one says need not be said twice
                field["description"] = text
        return made

    def _of_definition(self, field: JsonSchemaValue) -> JsonSchemaValue:
        return (self.get_schema_from_definitions(JsonRef(field["$ref"])) if "$ref" in field else None) or {}
