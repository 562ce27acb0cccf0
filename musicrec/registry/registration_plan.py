"""What a registry lacks of the published schemas, and what it forbids."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from musicrec.registry.wire_format import SchemaId

DEFAULT_COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
"""Of closed schemas: a new one may name further fields, and may neither demand one that could be left out nor drop one.

That is what a minor release promises, which may have new words in open lists too.  `FULL_TRANSITIVE` asks in addition
that the old schema takes what the new one takes.  A closed one takes no further field, and an open one forbids to name
one: a registry that compares strictly would never take another schema.
"""
COMPATIBILITIES: Final = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
)


class Kind(StrEnum):
    """What is to be done with a subject."""

    CREATE = "create"
    """It is not there."""
    ADD = "add"
    """It is there, without this schema."""
    LEVEL = "level"
    """It has the schema, and another compatibility."""
    REFUSED = "refused"
    """Its compatibility forbids the schema."""
    FINE = "fine"


class Found(NamedTuple):
    """A subject as the registry has it."""

    subject: str
    exists: bool
    id: SchemaId | None
    """Of the schema that is wanted; None where it is not there."""
    compatibility: str | None
    """Its own; None where the registry's default holds."""
    forbidden: str | None
    """Why its compatibility forbids the schema; None where it does not."""


class Change(NamedTuple):
    """What is to be done with one subject."""

    kind: Kind
    found: Found


@dataclass(frozen=True, slots=True)
class RegistrationPlan:
    """All subjects, in the order of the table of topics."""

    compatibility: str
    """That every subject is to have."""
    changes: tuple[Change, ...]

    @property
    def refused(self) -> tuple[Change, ...]:
        """Subjects that do not take their schema."""
        return tuple(change for change in self.changes if change.kind is Kind.REFUSED)

    @property
    def to_do(self) -> tuple[Change, ...]:
        """Subjects that have to change, and can."""
        return tuple(change for change in self.changes if change.kind not in (Kind.REFUSED, Kind.FINE))


def plan_registration(subjects: Iterable[Found], compatibility: str) -> RegistrationPlan:
    """Compare a registry with the published schemas."""
    return RegistrationPlan(compatibility, tuple(Change(_kind(found, compatibility), found) for found in subjects))


def _kind(found: Found, compatibility: str) -> Kind:
    if found.id is not None:
        return Kind.FINE if found.compatibility == compatibility else Kind.LEVEL
    if found.forbidden is not None:
        return Kind.REFUSED
    return Kind.ADD if found.exists else Kind.CREATE
