"""Messages that must be refused, each with the reason that its dead letter has to give."""

import json
import random
from typing import Any, NamedTuple


class Poison(NamedTuple):
    """One bad message: what the partition gets instead of an event."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    reason: str


def poison(draw: random.Random, fields: dict[str, Any]) -> Poison:
    """Return a bad message made of a good event's `fields`."""
    key = fields["user_id"].encode()
    good = json.dumps(fields).encode()
    choices = (
        Poison(key, None, [], "empty"),
        Poison(key, b"", [], "empty"),
        Poison(key, b"{", [], "malformed"),
        Poison(key, b"null", [], "malformed"),
        Poison(key, b"\xef\xbb\xbf" + good, [], "malformed"),
        Poison(key, good.replace(b'"event_id"', b'"\xff"'), [], "malformed"),
        Poison(key, good[: len(good) // 2], [], "malformed"),
        Poison(key, b'{"a":' * 1_000 + b"1" + b"}" * 1_000, [], "malformed"),
        Poison(key, good, [("content-type", b"application/cloudevents+json")], "malformed"),
        Poison(key, _with(fields, "occurred_at_ms", fields["occurred_at_ms"] // 1_000), [], "invalid"),
        Poison(key, _with(fields, "occurred_at_ms", "2106-02-07T06:28:16"), [], "invalid"),
        Poison(key, _with(fields, "ms_played", 2**63), [], "invalid"),
        Poison(key, _with(fields, "ms_played", float("nan")), [], "invalid"),
        Poison(key, _with(fields, "ms_played", -1), [], "invalid"),
        Poison(key, _with(fields, "track_id", ""), [], "invalid"),
        Poison(key, _with(fields, "track_id", "t" * 257), [], "invalid"),
        Poison(key, _with(fields, "type", "listen"), [], "invalid"),
        Poison(key, _with(fields, "schema_version", 2), [], "unsupported_version"),
        Poison(key, good, [("ce_type", b"org.example.listen.v9")], "unsupported_version"),
        Poison(key, good + b" " * 10_240, [], "too_large"),
        Poison(key, good + b" " * 900_000, [], "too_large"),
        Poison(None, good, [], "key_mismatch"),
        Poison(b"", good, [], "key_mismatch"),
        Poison(key + b"\x00", good, [], "key_mismatch"),
        Poison(b"*", good, [], "key_mismatch"),
    )
    return draw.choice(choices)


def _with(fields: dict[str, Any], name: str, value: Any) -> bytes:
    return json.dumps(fields | {name: value}).encode()
