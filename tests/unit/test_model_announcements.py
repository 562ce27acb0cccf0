"""What stands on the topic of models, read record by record."""

from pathlib import Path

import pytest

from musicrec.contracts import ModelAnnouncement
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.model_announcements import announcement_in

VALUE = (Path(__file__).parents[1] / "contract/golden/model.v1.json").read_bytes()


def test_an_announcement_comes_under_its_name() -> None:
    assert announcement_in(b"session_encoder", VALUE) == ("session_encoder", ModelAnnouncement.decode(VALUE))


@pytest.mark.parametrize("value", [None, b""])
def test_without_a_value_a_model_is_withdrawn(value: bytes | None) -> None:
    assert announcement_in(b"session_encoder", value) == ("session_encoder", None)


@pytest.mark.parametrize("key", [None, b"another", b"\xff"])
def test_a_key_that_is_not_the_name_is_refused(key: bytes | None) -> None:
    with pytest.raises(BadInput) as refused:
        announcement_in(key, VALUE)
    assert refused.value.reason is DeadLetterReason.KEY_MISMATCH
