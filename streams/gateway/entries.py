"""What is posted, entry by entry: records of the contract, or why one is none."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import uuid4

from musicrec.client.async_client import Published
from musicrec.contracts import ListenEvent, Track
from musicrec.errors import BadInput, DeadLetterReason
from streams.gateway.problems import Problem, field_of
from streams.gateway.tokens import Grant

T = TypeVar("T", ListenEvent, Track)

FORBIDDEN: Final = "forbidden"
MOST_ENTRIES: Final = 1_000
"""As many as ListenBrainz takes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry is not published."""

    reason: str
    """A word of `DeadLetterReason`, or `forbidden`: the token may not do it, whatever the entry says."""
    detail: str
    field: str | None = None


Entry = Published | Refusal


def entries_of(value: Any, read: Callable[[Any], Entry]) -> tuple[list[Entry], bool]:
    """Return the entries of a posted value, one object or an array of them, and whether it was an array.

    Raises:
        Problem: it is neither, or holds none or too many.
    """
    if not isinstance(value, list):
        return [read(value)], False
    if not 1 <= len(value) <= MOST_ENTRIES:
        raise Problem(422, "invalid", f"the array has {len(value)} entries; 1 to {MOST_ENTRIES} are taken at a time")
    return [read(each) for each in value], True


def event_in(value: Any, grant: Grant, now_ms: int) -> ListenEvent | Refusal:
    """Read a listen event; the token's listener, the time and an id are put where they are left out."""
    if not isinstance(value, dict):
        return _no_object("ListenEvent")
    given = {"event_id": str(uuid4()), "user_id": grant.listener, "occurred_at_ms": now_ms}
    filled = {name: default for name, default in given.items() if default is not None} | value
    event = _decoded(ListenEvent, filled)
    if isinstance(event, ListenEvent) and not grant.acts_for(event.user_id):
        return Refusal(FORBIDDEN, f"user_id: this token is for listener {grant.listener!r} alone", "user_id")
    return event


def track_in(value: Any) -> Track | Refusal:
    """Read a track."""
    return _decoded(Track, value) if isinstance(value, dict) else _no_object("Track")


def _decoded(record: type[T], value: dict[str, Any]) -> T | Refusal:
    try:
        return record.decode(json.dumps(value, ensure_ascii=False).encode())
    except BadInput as error:
        return Refusal(error.reason.value, str(error), field_of(error))
    except ValueError as error:  # an integer of thousands of digits
        return Refusal(DeadLetterReason.INVALID.value, str(error))


def _no_object(record: str) -> Refusal:
    return Refusal(DeadLetterReason.MALFORMED.value, f"a JSON object is needed for {record}")
