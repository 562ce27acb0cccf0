"""How the access rules of a broker differ from the table of access."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from musicrec.access import KafkaRule

ANY_HOST = "*"


class AclEntry(NamedTuple):
    """One rule of a broker, as it has it; all names as Kafka's own commands print them."""

    principal: str
    """`User:...`"""
    resource: str
    name: str
    pattern: str
    """`literal` or `prefixed`."""
    operation: str
    host: str = ANY_HOST
    permission: str = "allow"

    def __str__(self) -> str:
        prefixed = "*" if self.pattern == "prefixed" else ""
        host = "" if self.host == ANY_HOST else f" from {self.host}"
        return f"{self.principal}: {self.permission} {self.operation} on {self.resource} {self.name}{prefixed}{host}"


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """All differences, by principal."""

    missing: tuple[AclEntry, ...]
    """What a service needs and the broker does not grant."""
    surplus: tuple[AclEntry, ...]
    """What the broker grants and no service needs; it goes only where that is asked for."""
    denied: tuple[AclEntry, ...]
    """What the broker forbids our users in so many words: nobody here takes that back, whatever is granted beside."""

    @property
    def is_empty(self) -> bool:
        """Whether the broker is as the table has it."""
        return not (self.missing or self.surplus or self.denied)


def entry_of(principal: str, rule: KafkaRule) -> AclEntry:
    """Return the rule of a broker that grants `rule`."""
    pattern = "prefixed" if rule.prefixed else "literal"
    return AclEntry(principal, rule.resource.value, rule.name, pattern, rule.operation.value)


def plan_access(wanted: Mapping[str, Iterable[KafkaRule]], found: Iterable[AclEntry]) -> AccessPlan:
    """Compare.

    Args:
        wanted: by principal what it shall be allowed.
        found: the broker's rules, others' among them.
    """
    entries = [entry for entry in found if entry.principal in wanted]
    allowed = {entry for entry in entries if entry.permission == "allow"}
    needed = list(dict.fromkeys(entry_of(principal, rule) for principal, rules in wanted.items() for rule in rules))
    return AccessPlan(
        tuple(entry for entry in needed if entry not in allowed),
        tuple(sorted(allowed - set(needed))),
        tuple(sorted(entry for entry in entries if entry.permission == "deny")),
    )
