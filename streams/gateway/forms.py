"""Fields of a query and of a form, as older scrobbling protocols send them; and text that XML can hold."""

from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request

from musicrec.settings import GatewaySettings
from streams.gateway.bodies import read_body
from streams.gateway.problems import Problem

MOST_BYTES: Final = 64 * 1024
MOST_FIELDS: Final = 1_000

Fields = dict[str, list[str]]


async def fields_of(request: Request, settings: GatewaySettings) -> Fields:
    """Return the fields of the query, then those of the form.

    Raises:
        Problem: they are too many or too large, or come too slowly.
    """
    texts = [request.scope["query_string"].decode("latin-1")]
    if request.method == "POST":
        body = await read_body(request, settings, MOST_BYTES)
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            texts.append(body.decode("latin-1"))
    fields: Fields = {}
    for text in texts:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
        except ValueError:
            raise Problem(422, "invalid", f"more than {MOST_FIELDS} fields") from None
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
    return fields


def first(fields: Fields, name: str) -> str | None:
    """Return a field's first value."""
    return fields[name][0] if name in fields else None


def xml_text(value: object) -> str:
    """Return a value as text of an element."""
    return escape(_writable(value))


def xml_attributes(values: dict[str, Any]) -> str:
    """Return attributes, each after a space."""
    return "".join(f" {name}={quoteattr(_writable(value))}" for name, value in values.items())


def _writable(value: object) -> str:
    """Leave out what XML cannot hold: control characters of a client's own field."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(char for char in text if char.isprintable())
