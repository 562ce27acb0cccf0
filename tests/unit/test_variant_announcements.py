"""Listeners for a new variant, beside those of the others."""

import pytest

from musicrec.contracts import ModelAnnouncement
from musicrec.errors import BadInput, Incompatible
from musicrec.variant_announcements import variant_beside

NOW_MS = 1_760_000_000_000

Found = dict[str, ModelAnnouncement]


def put(found: Found, name: str, share: float, experiment: str | None = None, **settings: float) -> ModelAnnouncement:
    """Announce a variant beside the others."""
    key = f"variant/{name}"
    made = variant_beside(
        found, key, share=share, settings=settings, uses_encoder=True, experiment=experiment, now_ms=NOW_MS
    )
    found[key] = made
    return made


def stretch(found: Found, name: str) -> tuple[float, float, str]:
    variant = found[f"variant/{name}"].variant
    assert variant is not None
    return variant.start, variant.share, variant.experiment


def test_variants_stand_side_by_side_by_one_salt() -> None:
    found: Found = {}
    put(found, "a", 0.1, "spring")
    put(found, "b", 0.2)
    assert (stretch(found, "a"), stretch(found, "b")) == ((0.0, 0.1, "spring"), (0.1, 0.2, "spring"))


def test_a_variant_that_is_announced_anew_keeps_its_listeners_while_they_fit() -> None:
    found: Found = {}
    put(found, "a", 0.1)
    put(found, "b", 0.2)
    put(found, "b", 0.4)
    assert stretch(found, "b")[0] == 0.1
    put(found, "a", 0.3)
    assert stretch(found, "a")[:2] == (0.5, 0.3)


def test_a_shadow_takes_no_listeners() -> None:
    found: Found = {}
    put(found, "a", 1.0)
    night = put(found, "night", 0.0, weight_popular=1.0).variant
    assert night is not None
    assert night.shadow
    put(found, "a", 1.0)


def test_more_listeners_than_are_left_are_refused() -> None:
    found: Found = {}
    put(found, "a", 0.3)
    with pytest.raises(BadInput, match=r"no stretch of 0.8 of the listeners is free beside variant/a 0.3 from 0 on"):
        put(found, "b", 0.8)


def test_another_salt_beside_others_is_refused() -> None:
    found: Found = {}
    put(found, "a", 0.3, "spring")
    with pytest.raises(BadInput, match="variant/a shares listeners out by 'spring'"):
        put(found, "b", 0.1, "autumn")
    put(found, "a", 0.3, "autumn")
    put(found, "night", 0.0, "winter")


@pytest.mark.parametrize("name", ["default", "A", "a b", "", "a" * 33])
def test_a_name_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="up to 32 of a-z, 0-9, - and _"):
        put({}, name, 0.1)


def test_a_setting_that_cannot_differ_is_refused() -> None:
    with pytest.raises(Incompatible, match="max_sessions: shapes what is learned"):
        put({}, "a", 0.1, max_sessions=9.0)
