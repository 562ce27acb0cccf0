"""What a registry lacks of the published schemas, and what it forbids."""

import pytest

from musicrec.registry.registration_plan import DEFAULT_COMPATIBILITY, Found, Kind, plan_registration
from musicrec.registry.wire_format import SchemaId

SUBJECT = "musicrec.listens.v1-value"
ID = SchemaId(3)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (Found(SUBJECT, False, None, None, None), Kind.CREATE),
        (Found(SUBJECT, True, None, DEFAULT_COMPATIBILITY, None), Kind.ADD),
        (Found(SUBJECT, True, None, None, None), Kind.ADD),
        (Found(SUBJECT, True, ID, None, None), Kind.LEVEL),
        (Found(SUBJECT, True, ID, "BACKWARD", None), Kind.LEVEL),
        (Found(SUBJECT, True, ID, DEFAULT_COMPATIBILITY, None), Kind.FINE),
        (Found(SUBJECT, True, None, "FULL", "a field is gone"), Kind.REFUSED),
    ],
)
def test_a_subject_is_brought_to_where_it_should_be_or_refused(found: Found, kind: Kind) -> None:
    plan = plan_registration([found], DEFAULT_COMPATIBILITY)
    assert [change.kind for change in plan.changes] == [kind]
    assert bool(plan.refused) == (kind is Kind.REFUSED)
    assert bool(plan.to_do) == (kind in (Kind.CREATE, Kind.ADD, Kind.LEVEL))
