"""Fields of foreign JSON, read with their types checked."""

from typing import Any

JsonObject = dict[str, Any]


def text_field(entry: JsonObject, name: str) -> str:
    """Return a string field without surrounding space; empty where it is missing, null or empty.

    Raises:
        ValueError: it is something else than a string, or no Unicode text (half a surrogate pair).
    """
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name}: a string is needed, not {type(value).__name__}")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError(f"{name}: not valid Unicode text")
    return value.strip()


def number_field(entry: JsonObject, name: str) -> float | None:
    """Return a number field; None where it is missing or null.  Clients also send numbers as strings.

    Raises:
        ValueError: it is no finite number.
    """
    value = entry.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{name}: a number is needed, not {type(value).__name__}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: {str(value)[:40]!r} is no number") from None
    if not abs(number) < 1e15:  # false for NaN too
        raise ValueError(f"{name}: {str(value)[:40]} is out of range")
    return number


def object_field(entry: JsonObject, name: str) -> JsonObject:
    """Return an object field; an empty one where it is missing or null.

    Raises:
        ValueError: it is something else than an object.
    """
    value = entry.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name}: an object is needed, not {type(value).__name__}")
    return value
