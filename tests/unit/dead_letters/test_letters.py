"""What a dead letter says of itself, and what it cannot make anybody believe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.contracts import DeadLetter
from musicrec.dead_letters import REMEDIES, UNREADABLE, Letter, Place, letter_of
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import DEAD_LETTERS, LISTENS

PLACE = Place(LISTENS.dead_letters, 3, 17)
WHY = DeadLetter(
    original_topic=LISTENS.name,
    original_partition=3,
    original_offset=99,
    original_timestamp=1_600_000_000_000,
    reason=DeadLetterReason.INVALID,
    error_message="ms_played: Input should be a valid integer",
    app="session",
    app_version="0.1.0",
)


def letter(headers: list[tuple[str, bytes | None]], **fields: Any) -> Letter:
    values: dict[str, Any] = {"at_ms": 1_600_000_000_500, "key": b"ann", "value": b"{}"}
    return letter_of(PLACE, headers=headers, **(values | fields))


def test_a_letter_tells_where_it_lies_where_it_came_from_and_why() -> None:
    read = letter([("ce_type", b"x"), *WHY.headers()])

    assert str(read.place) == "musicrec.listens.v1.dlq[3]@17"
    assert str(read.original) == "musicrec.listens.v1[3]@99"
    assert (read.reason, read.message) == ("invalid", "ms_played: Input should be a valid integer")
    assert read.source is LISTENS


def test_original_headers_are_those_without_the_reason_in_their_order() -> None:
    own: list[tuple[str, bytes | None]] = [("traceparent", b"00-1"), ("b", None), ("traceparent", b"\xff")]

    assert letter([*own, *WHY.headers()]).original_headers == own


@pytest.mark.row(45)
def test_headers_that_a_sender_forged_lose_against_those_of_the_agent() -> None:
    forged: list[tuple[str, bytes | None]] = [("dlq-reason", b"handler_error"), ("dlq-original-offset", b"0")]

    assert letter([*forged, *WHY.headers()]).why == WHY


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"dlq-reason": b"because"}, "dlq-reason"),
        ({"dlq-original-offset": b"-1"}, "dlq-original-offset"),
        ({"dlq-original-partition": b"x" * 70_000}, "dlq-original-partition"),
        ({"dlq-app": None}, "dlq-app"),
        ({"dlq-original-topic": b"\xff\xfe"}, "'\ufffd\ufffd'"),
        ({"dlq-original-topic": b"__consumer_offsets"}, "__consumer_offsets"),
        ({"dlq-original-topic": b"musicrec.tracks.v1"}, "musicrec.tracks.v1"),
    ],
)
def test_broken_headers_are_named_and_the_letter_is_unreadable(change: dict[str, bytes | None], fault: str) -> None:
    read = letter([(name, change.get(name, value)) for name, value in WHY.headers()])

    assert (read.reason, read.why, read.original) == (UNREADABLE, None, None)
    assert fault in read.message
    assert read.source is LISTENS


@pytest.mark.row(45)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in WHY.headers()]) | st.text(max_size=8),
            st.none() | st.binary(max_size=12),
        ),
        max_size=12,
    ),
    at_ms=st.integers(-1, 2**63 - 1),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=8),
)
def test_no_letter_is_too_broken_to_be_shown(
    headers: list[tuple[str, bytes | None]], at_ms: int, key: bytes | None, value: bytes | None
) -> None:
    read = letter(headers, at_ms=at_ms, key=key, value=value)

    assert read.reason == UNREADABLE or read.why is not None
    assert (read.key, read.value) == (key, value)


def test_a_place_is_read_as_it_is_written() -> None:
    for topic in DEAD_LETTERS:
        for place in (Place(topic.name, 0, 0), Place(topic.name.removesuffix(".dlq"), topic.partitions - 1, 10**12)):
            assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "musicrec.listens.v1.dlq",
        "musicrec.listens.v1.dlq[3]",
        "musicrec.listens.v1.dlq[3]@-1",
        "musicrec.outcomes.v1[0]@0",
        "__consumer_offsets[0]@0",
        "musicrec.listens.v1.dlq[٣]@1",
        "musicrec.listens.v1.dlq[3]@17\n",
        "x" * 100_000,
    ],
)
def test_what_is_no_place_of_a_dead_letter_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match=r"dlq|partitions"):
        Place.parse(text)


def test_every_reason_has_a_remedy() -> None:
    assert REMEDIES.keys() == set(DeadLetterReason)
