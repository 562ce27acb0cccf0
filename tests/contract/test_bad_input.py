"""Each kind of bad input is refused with its reason, by every record."""

import json
from pathlib import Path
from typing import Any

import pytest

from musicrec.contracts import (
    CatalogueRule,
    ListenEvent,
    ModelAnnouncement,
    Outcome,
    Recommendation,
    RecommendationRequest,
    Record,
    SessionSnapshot,
    ShadowRecommendation,
    Track,
    TrackEmbedding,
)
from musicrec.errors import BadInput, DeadLetterReason

GOLDEN = Path(__file__).parent / "golden"
RECORDS: dict[type[Record], str] = {
    ListenEvent: "listen",
    Track: "track",
    SessionSnapshot: "session",
    RecommendationRequest: "request",
    TrackEmbedding: "track-embedding",
    Recommendation: "recommendation",
    Outcome: "outcome",
    ModelAnnouncement: "model",
    CatalogueRule: "rule",
    ShadowRecommendation: "shadow-recommendation",
}
LISTEN = (GOLDEN / "listen.v1.json").read_bytes()

EMPTY = DeadLetterReason.EMPTY
TOO_LARGE = DeadLetterReason.TOO_LARGE
MALFORMED = DeadLetterReason.MALFORMED
INVALID = DeadLetterReason.INVALID
UNSUPPORTED = DeadLetterReason.UNSUPPORTED_VERSION


def refusal(record: type[Record], value: bytes | None) -> BadInput:
    with pytest.raises(BadInput) as caught:
        record.decode(value)
    return caught.value


def listen_with(field: str, raw: bytes) -> bytes:
    """Return the golden listen with one field's value written as `raw`."""
    fields = {name: json.dumps(value).encode() for name, value in json.loads(LISTEN).items()} | {field: raw}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"


@pytest.mark.row(18, 19)
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, EMPTY),
        (b"", EMPTY),
        (b" \n", MALFORMED),
        (b"{", MALFORMED),
        (b"{'user_id': 1}", MALFORMED),
        (b"\x00\x00\x00\x00\x01", MALFORMED),
        (b"\x00\x00\x00\x00\x01null", MALFORMED),
        (b"\x00\x00\x00\x00\x01\x00{}", MALFORMED),
        (b"\x01\x00\x00\x00\x01{}", MALFORMED),
        (b"null", MALFORMED),
        (b"[]", MALFORMED),
        (b'"text"', MALFORMED),
        (b"1", MALFORMED),
        (b"NaN", MALFORMED),
        (b"{}{}", MALFORMED),
        (b"{} \x00", MALFORMED),
        (b'{"a":1,}', MALFORMED),
        (b"/* */ {}", MALFORMED),
        (b'{"a":"\xff"}', MALFORMED),
        (b'{"a":"\xed\xa0\x80"}', MALFORMED),
        (b'{"a":"\\ud800"}', MALFORMED),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", None),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, None),
        (b"{}", INVALID),
    ],
)
def test_what_is_no_json_object_is_refused_by_every_record(
    record: type[Record], value: bytes | None, reason: DeadLetterReason | None
) -> None:
    if reason is None:  # too deep; some records find it too large before
        reason = TOO_LARGE if value is not None and len(value) > record.MAX_BYTES else MALFORMED

    assert refusal(record, value).reason is reason


@pytest.mark.row(18)
@pytest.mark.parametrize("record", RECORDS)
def test_a_byte_order_mark_and_other_encodings_are_refused(record: type[Record]) -> None:
    golden = (GOLDEN / f"{RECORDS[record]}.v1.json").read_text(encoding="utf-8")

    assert refusal(record, b"\xef\xbb\xbf" + golden.encode()).reason is MALFORMED
    assert refusal(record, golden.encode("utf-16")).reason is MALFORMED


@pytest.mark.row(21)
@pytest.mark.parametrize("record", RECORDS)
def test_a_value_over_the_limit_is_refused_and_one_at_the_limit_is_not(record: type[Record]) -> None:
    golden = (GOLDEN / f"{RECORDS[record]}.v1.json").read_bytes()

    assert record.decode(golden + b" " * (record.MAX_BYTES - len(golden)))
    error = refusal(record, golden + b" " * (record.MAX_BYTES - len(golden) + 1))
    assert error.reason is TOO_LARGE
    assert str(record.MAX_BYTES) in str(error)


@pytest.mark.row(22)
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("version", [b"2", b"0", b"-1", b'"1"', b"true", b"1.0", b"null"])
def test_another_version_is_told_apart_from_bad_fields(record: type[Record], version: bytes) -> None:
    golden = (GOLDEN / f"{RECORDS[record]}.v1.json").read_bytes()
    changed = golden.replace(b'"schema_version":1', b'"schema_version":' + version)
    # A later version may well have other fields.
    without_a_field = b'{"schema_version":' + version + b"}"

    assert refusal(record, changed).reason is UNSUPPORTED
    assert refusal(record, without_a_field).reason is UNSUPPORTED


@pytest.mark.row(18)
@pytest.mark.parametrize("record", RECORDS)
def test_each_needed_field_is_missed_by_name(record: type[Record]) -> None:
    golden = json.loads((GOLDEN / f"{RECORDS[record]}.v1.json").read_bytes())
    needed = [name for name, field in record.model_fields.items() if field.is_required()]

    assert needed
    for name in needed:
        error = refusal(record, json.dumps({key: value for key, value in golden.items() if key != name}).encode())
        assert (error.reason, str(error).split(":")[0]) == (INVALID, name)


@pytest.mark.row(18)
@pytest.mark.parametrize("record", RECORDS)
def test_every_field_refuses_a_value_of_another_type(record: type[Record]) -> None:
    golden = json.loads((GOLDEN / f"{RECORDS[record]}.v1.json").read_bytes())

    for name in golden.keys() - {"schema_version"}:
        others: tuple[Any, ...] = (True, [[]], {"a": {}}, "\N{BLACK STAR}" * 20_000)
        for other in others:
            value = json.dumps(golden | {name: other}, ensure_ascii=False).encode()
            if len(value) <= record.MAX_BYTES:
                assert refusal(record, value).reason is INVALID, (name, other)


@pytest.mark.row(18)
@pytest.mark.parametrize(
    "raw", [b"1.0", b"1e3", b"true", b'"1000"', b"NaN", b"Infinity", b"-Infinity", b"1e400", b"[]"]
)
def test_an_integer_is_an_integer(raw: bytes) -> None:
    error = refusal(ListenEvent, listen_with("ms_played", raw))

    assert (error.reason, str(error)[:10]) == (INVALID, "ms_played:")


@pytest.mark.row(18)
@pytest.mark.parametrize("raw", [b"9007199254740993", b"-1", b"86400001", b"123456789012345678901234567890"])
def test_an_integer_out_of_range_is_refused(raw: bytes) -> None:
    assert refusal(ListenEvent, listen_with("ms_played", raw)).reason is INVALID


@pytest.mark.row(18)
def test_an_integer_of_thousands_of_digits_is_refused_before_it_is_computed() -> None:
    assert refusal(ListenEvent, listen_with("ms_played", b"9" * 9_000)).reason is MALFORMED


@pytest.mark.row(18)
@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b'"0.5"', b"true"])
def test_a_score_is_a_finite_number(raw: bytes) -> None:
    golden = (GOLDEN / "recommendation.v1.json").read_bytes()
    error = refusal(Recommendation, golden.replace(b'"score":0.0325', b'"score":' + raw))

    assert (error.reason, str(error).split(":")[0]) == (INVALID, "items.0.score")


@pytest.mark.row(16)
@pytest.mark.parametrize(
    "raw",
    [
        *(b"1600000000", b"1600000000000000", b"0", b"1600000000000.5"),
        *(
            b'"2020-09-13T12:26:40Z"',
            b'"2020-09-13T12:26:40"',
            b'"2020-10-25T02:30:00+02:00"',
            b'"2016-12-31T23:59:60Z"',
        ),
    ],
)
def test_a_time_in_seconds_microseconds_or_words_is_refused_by_name(raw: bytes) -> None:
    error = refusal(ListenEvent, listen_with("occurred_at_ms", raw))

    assert (error.reason, str(error).split(":")[0]) == (INVALID, "occurred_at_ms")


@pytest.mark.row(19)
@pytest.mark.parametrize("field", ["event_id", "user_id", "track_id", "artist_id", "source"])
def test_an_id_has_1_to_256_characters(field: str) -> None:
    assert ListenEvent.decode(listen_with(field, b'"' + "é".encode() * 256 + b'"'))
    assert refusal(ListenEvent, listen_with(field, b'"' + b"e" * 257 + b'"')).reason is INVALID
    assert refusal(ListenEvent, listen_with(field, b'""')).reason is INVALID


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("play", "track_id"),
        ("play", "ms_played"),
        ("skip", "ms_played"),
        ("like", "track_id"),
        ("block_artist", "artist_id"),
        ("set_discovery", "discovery"),
    ],
)
def test_an_event_needs_what_it_is_about(kind: str, missing: str) -> None:
    fields = {name: value for name, value in json.loads(LISTEN).items() if name != missing} | {"type": kind}

    for value in (fields, fields | {missing: None}):
        error = refusal(ListenEvent, json.dumps(value).encode())
        assert error.reason is INVALID
        assert f"{missing}: a {kind} event needs it" in str(error)


@pytest.mark.parametrize("raw", [b"1.001", b"-7", b"true", b'"0.5"', b"NaN", b"[]"])
def test_a_dial_beyond_its_ends_or_of_another_type_is_refused_by_name(raw: bytes) -> None:
    for record, name in ((ListenEvent, "listen.v1.discovery.json"), (SessionSnapshot, "session.v1.discovery.json")):
        value = (GOLDEN / name).read_bytes()
        assert b'"discovery":-0.25' in value
        error = refusal(record, value.replace(b'"discovery":-0.25', b'"discovery":' + raw))

        assert (error.reason, str(error).split(":")[0]) == (INVALID, "discovery")


def test_a_similar_request_needs_a_seed() -> None:
    value = {"request_id": "r", "user_id": "u", "requested_at_ms": 1_600_000_000_000, "mode": "similar"}

    assert "track_id: a similar request needs it" in str(refusal(RecommendationRequest, json.dumps(value).encode()))


@pytest.mark.row(24)
@pytest.mark.parametrize(
    ("vector", "dimension"),
    [
        ("ADgAOAA4ALg=", 5),
        ("ADgAOAA4ALg=", 3),
        ("not base64!!", 4),
        ("ADgAOAA4ALé=", 4),
        ("AAAAAAAAAAA=", 4),
        ("AHwAAAAAAAA=", 4),
        ("AH4AAAAAAAA=", 4),
        ("AEAAAAAAAAA=", 4),
    ],
    ids=["too short", "too long", "not base64", "not ASCII", "zero", "infinite", "NaN", "length 2"],
)
def test_a_vector_is_finite_of_unit_length_and_of_its_dimension(vector: str, dimension: int) -> None:
    golden = json.loads((GOLDEN / "track-embedding.v1.json").read_bytes())
    value = json.dumps(golden | {"vector_f16": vector, "dimension": dimension}).encode()

    assert str(refusal(TrackEmbedding, value)).startswith("TrackEmbedding: vector_f16: ")


@pytest.mark.parametrize(
    "folder", ["", "/etc", "..", "a/../../b", "a/..", ".", "a\\b", "a\nb", "a\0b", "a" * 1025], ids=repr
)
def test_a_model_lies_below_the_directory_of_models(folder: str) -> None:
    golden = json.loads((GOLDEN / "model.v1.json").read_bytes())
    golden["files"]["folder"] = folder

    error = refusal(ModelAnnouncement, json.dumps(golden).encode())

    assert error.reason is INVALID
    assert str(error).startswith("files.folder: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "session_encoder"}, "variant"),
        ({"name": "variant/default"}, "name"),
        ({"name": "variant/A"}, "name"),
        ({"name": "variant/"}, "name"),
        ({"name": "variant/a/b"}, "name"),
        ({"variant": None}, "files"),
        ({"variant": {"share": 0.0}}, "variant"),
        ({"variant": {"share": 0.1, "shadow": True}}, "variant"),
        ({"variant": {"share": 1.1}}, "variant.share"),
        ({"variant": {"share": 0.1, "start": -0.1}}, "variant.start"),
        ({"variant": {"shadow": True, "settings": [{"name": "a", "value": "1"}]}}, "variant.settings.0.value"),
    ],
)
def test_a_variant_answers_a_share_or_nobody_under_a_name_of_its_own(change: dict[str, Any], field: str) -> None:
    golden = json.loads((GOLDEN / "model.v1.variant.json").read_bytes())

    assert str(refusal(ModelAnnouncement, json.dumps(golden | change).encode())).startswith(
        (f"{field}: ", f"ModelAnnouncement: {field}: ")
    )


def test_a_model_is_no_variant() -> None:
    golden = json.loads((GOLDEN / "model.v1.json").read_bytes())

    assert "begin with variant/" in str(refusal(ModelAnnouncement, json.dumps(golden | {"name": "variant/a"}).encode()))


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_a_model_names_the_sha256_of_its_manifest(digest: str) -> None:
    golden = json.loads((GOLDEN / "model.v1.json").read_bytes())
    golden["files"]["manifest_sha256"] = digest

    assert str(refusal(ModelAnnouncement, json.dumps(golden).encode())).startswith("files.manifest_sha256: ")


@pytest.mark.row(18)
def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    event = ListenEvent.decode(LISTEN[:-1] + b',"ms_played":5}')

    assert event.ms_played == 5


@pytest.mark.row(22)
@pytest.mark.parametrize("record", RECORDS)
def test_unknown_fields_are_ignored_whatever_they_hold(record: type[Record]) -> None:
    golden = (GOLDEN / f"{RECORDS[record]}.v1.json").read_bytes()
    unknown = b',"a_later_field":{"deep":' + b"[" * 50 + b"1e400" + b"]" * 50 + b'},"":null}'

    assert record.decode(golden[:-1] + unknown) == record.decode(golden)


@pytest.mark.row(18, 40)
def test_a_refusal_names_field_and_rule_and_never_the_payload() -> None:
    error = refusal(ListenEvent, listen_with("ms_played", b'"secret"'))

    assert str(error) == "ms_played: Input should be a valid integer"


def test_several_faults_are_counted() -> None:
    value = listen_with("ms_played", b'"x"').replace(b'"duration_ms": 180000', b"").replace(b'"ann"', b"7")

    assert "(and 1 more)" in str(refusal(ListenEvent, value))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tracks": [], "artists": [], "labels": [], "markets": []}, "a deny rule names tracks, artists, labels or"),
        (
            {"effect": "allow", "tracks": [], "artists": [], "labels": []},
            "an allow rule names tracks, artists or labels",
        ),
        ({"until_ms": 1_600_000_000_000}, "until_ms: 1600000000000 is not after from_ms 1600000000000"),
        ({"markets": ["de"]}, "markets.0: "),
        ({"markets": ["DEU"]}, "markets.0: "),
        ({"markets": ["DE"] * 301}, "markets: "),
        ({"tracks": ["t"] * 10_001}, "tracks: "),
        ({"effect": "forbid"}, "effect: Input should be 'deny' or 'allow'"),
        ({"reason": "x" * 257}, "reason: "),
    ],
)
def test_a_rule_that_says_nothing_or_not_clearly_is_refused(change: dict[str, Any], said: str) -> None:
    golden = json.loads((GOLDEN / "rule.v1.json").read_bytes())

    assert said in str(refusal(CatalogueRule, json.dumps(golden | change).encode()))


@pytest.mark.parametrize(("record", "name"), [(ListenEvent, "listen"), (RecommendationRequest, "request")])
@pytest.mark.parametrize("market", ["", "de", "GER", "D", "DE\n", "ÄÖ"])
def test_a_market_is_two_capital_letters(record: type[Record], name: str, market: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.v1.json").read_bytes())

    assert str(refusal(record, json.dumps(golden | {"market": market}).encode())).startswith("market: ")
