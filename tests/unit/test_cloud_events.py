"""CloudEvents headers, as others send them and as we write them."""

import pytest

from musicrec.cloud_events import EVENT_TYPES, check_headers, event_type, headers_for
from musicrec.contracts import EventType, ListenEvent, RecommendationRequest, Track, VersionedRecord
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import RECORD_TOPICS

NOON_MS = 1_600_000_000_000
LISTEN = ListenEvent(
    event_id="e-1", user_id="ann", type=EventType.PLAY, occurred_at_ms=NOON_MS, track_id="t", ms_played=1
)

Headers = list[tuple[str, bytes]]
BINARY: Headers = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"dev.musicrec.listen.v1"),
    ("ce_id", b"7"),
    ("ce_source", b"/player"),
    ("content-type", b"application/json; charset=utf-8"),
]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", b"00-1-2-01"), ("content-type", b"text/plain")],
        [("content-type", b"application/json")],
        BINARY,
        BINARY[:2],
        [*BINARY[:4], ("content-type", b"application/vnd.player+json")],
        [*BINARY, ("ce_dataschema", b"https://example.org/listen.json"), ("ce_partitionkey", b"ann")],
    ],
)
def test_plain_json_and_binary_mode_are_taken(headers: Headers) -> None:
    check_headers(headers, ListenEvent)


@pytest.mark.parametrize(
    ("headers", "reason", "message"),
    [
        ([("ce_specversion", b"2.0")], DeadLetterReason.UNSUPPORTED_VERSION, "ce_specversion: '2.0'"),
        ([("ce_type", b"dev.musicrec.track.v1")], DeadLetterReason.UNSUPPORTED_VERSION, "takes dev.musicrec.listen.v1"),
        (
            [("ce_type", b"dev.musicrec.listen.v2")],
            DeadLetterReason.UNSUPPORTED_VERSION,
            "takes dev.musicrec.listen.v1",
        ),
        ([("ce_type", b"\xff")], DeadLetterReason.UNSUPPORTED_VERSION, "ce_type"),
        ([("content-type", b"application/cloudevents+json")], DeadLetterReason.MALFORMED, "send binary mode"),
        ([("content-type", b"Application/CloudEvents-batch+json")], DeadLetterReason.MALFORMED, "send binary mode"),
        (
            [*BINARY[:4], ("content-type", b"application/avro")],
            DeadLetterReason.MALFORMED,
            "application/json is needed",
        ),
    ],
)
def test_what_is_no_listen_in_binary_mode_is_refused_with_the_way_out(
    headers: Headers, reason: DeadLetterReason, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        check_headers(headers, ListenEvent)
    assert caught.value.reason is reason


def test_every_topic_of_records_has_a_type_of_its_own() -> None:
    assert len(set(EVENT_TYPES.values())) == len(RECORD_TOPICS)
    assert event_type(RecommendationRequest) == "dev.musicrec.request.v1"


def test_our_headers_name_the_event_and_its_time() -> None:
    headers = dict(headers_for(LISTEN))

    assert headers["ce_id"] == b"e-1"
    assert headers["ce_time"] == b"2020-09-13T12:26:40.000Z"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/json"
    assert headers["ce_source"].startswith(b"/musicrec/")


@pytest.mark.parametrize("record", [LISTEN, Track(track_id="t")])
def test_what_we_write_we_take(record: VersionedRecord) -> None:
    check_headers(headers_for(record), type(record))
