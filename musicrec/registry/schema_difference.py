"""What a schema has and lacks beside another one, for people: some registries only say that they forbid it."""

import json
from collections.abc import Iterator
from typing import Any, Final

UNSAID: Final = "the registry does not say why"


def in_words(before: str, after: str) -> str:
    """Return the fields that are gone, new, or demanded from now on, between two schemas of our shape.

    >>> in_words('{"properties": {"a": {}, "b": {}}}', '{"properties": {"a": {}, "c": {}}, "required": ["a"]}')
    'without b; new: c; required from now on: a'
    """
    old, new = _fields(before), _fields(after)
    required = (_required(after) - _required(before)) & old
    parts = (("without", old - new), ("new:", new - old), ("required from now on:", required))
    return "; ".join(f"{words} {', '.join(sorted(names))}" for words, names in parts if names) or UNSAID


def _fields(schema: str) -> set[str]:
    return {f"{record}{name}" for record, found in _records(schema) for name in found["properties"]}


def _required(schema: str) -> set[str]:
    return {f"{record}{name}" for record, found in _records(schema) for name in found.get("required", ())}


def _records(schema: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the record itself, and those within it with the beginning of their fields' names."""
    try:
        found = json.loads(schema)
        parts = {"": found} | {f"{name}.": part for name, part in found.get("definitions", {}).items()}
    except (ValueError, AttributeError):  # another's schema, whatever it is
        return
    yield from ((name, part) for name, part in parts.items() if isinstance(part, dict) and "properties" in part)
