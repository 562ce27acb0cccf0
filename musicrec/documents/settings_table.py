"""The table of settings in Markdown, from the settings' own definitions."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from musicrec.documents.field_docs import field_docs
from musicrec.environment import fields_of

COLUMNS = ("variable", "value", "default", "meaning")


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable of the environment."""

    variable: str
    path: tuple[str, ...]
    """Where its value lies in the settings object."""
    kind: str
    default: str
    meaning: str


def settings_of(settings: type[BaseSettings]) -> Iterator[Setting]:
    """Yield every variable that a settings class reads, sections resolved, in order of definition."""
    for variable, place, field in fields_of(settings):
        yield Setting(variable, place, _kind(field), _default(field), " ".join(_text(settings, place).split()))


def settings_table(*classes: type[BaseSettings]) -> str:
    """Return the table of all variables as Markdown, without a line feed at its end."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS)]
    for settings in (setting for cls in classes for setting in settings_of(cls)):
        rows.append((f"`{settings.variable}`", settings.kind, settings.default, settings.meaning.replace("|", "\\|")))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown(value: object) -> str:
    """Return a value as a person reads it; a secret stays one."""
    match value:
        case None | ():
            return "none"
        case SecretStr():
            return "(secret)"
        case tuple() | list():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _text(settings: type[BaseModel], place: tuple[str, ...]) -> str:
    *sections, name = place
    for section in sections:
        settings = cast(type[BaseModel], settings.model_fields[section].annotation)
    return field_docs(settings).get(name, "")


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:  # it depends on the machine: what it does, not what it gave here
        return " ".join((field.default_factory.__doc__ or "").split()).rstrip(".")
    default = field.default
    if isinstance(default, SecretStr):
        return f"`{default.get_secret_value()}`"  # what is written in the code is no secret
    return "none" if default in (None, ()) else f"`{shown(default)}`"


def _kind(field: FieldInfo) -> str:
    bounds = (f"{sign} {shown(getattr(limit, key))}" for limit in field.metadata for key, sign in _bounds(limit))
    return ", ".join([_type_name(field.annotation), *bounds])


_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
_NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", Path: "path", SecretStr: "secret"}


def _bounds(limit: object) -> list[tuple[str, str]]:
    return [(key, sign) for key, sign in _BOUNDS if getattr(limit, key, None) is not None]


def _type_name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type_name(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _type_name(next(member for member in get_args(annotation) if member is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in (tuple, list):
        return "list"
    return _NAMES.get(annotation, "text")
