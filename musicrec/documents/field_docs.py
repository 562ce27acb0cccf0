"""The docstrings below a model's fields, read from its source when a document needs them and not at every start."""

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonRef, JsonSchemaValue


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field, by the field's name; a field keeps the text of the class that it comes from.

    >>> from musicrec.contracts import ListenEvent
    >>> field_docs(ListenEvent)["user_id"]
    'The listener.'
    """
    docs: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__.partition(".")[0] not in ("pydantic", "pydantic_settings"):
            docs |= _docs_in(owner)
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


@cache
def _docs_in(model: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)  # getsource of a class gives its definition
    docs: dict[str, str] = {}
    field = None
    for node in definition.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                field = name
            case ast.Expr(value=ast.Constant(value=str(text))) if field is not None:
                docs[field] = inspect.cleandoc(text)
                field = None
            case _:
                field = None
    return docs
