"""What holds for every record and for whatever comes instead of one."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from record_strategies import records

from musicrec.contracts import Record, TrackEmbedding
from musicrec.documents import json_schema
from musicrec.errors import BadInput
from musicrec.topics import RECORD_TOPICS

RECORDS: list[type[Record]] = [topic.record for topic in RECORD_TOPICS if topic.record is not None]
GOLDEN = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "contract" / "golden").glob("*.json"))]

few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
"""Seven records share the time that one law has; drawing a deep record takes a while."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, 1, -1, 2, 1.5, -0.5, 10**13, 2**70, "", "x", "play", "similar", "x" * 257, [], ["x"], {}, [{}]]
)


@cache
def schema_of(record: type[Record]) -> Draft202012Validator:
    return Draft202012Validator(json_schema(record))


def accepts(record: type[Record], value: bytes) -> bool:
    try:
        record.decode(value)
    except BadInput:
        return False
    return True


def reject_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("record", RECORDS)
@few
@given(data=st.data())
def test_what_is_encoded_is_decoded_to_the_same(record: type[Record], data: st.DataObject) -> None:
    value = data.draw(records(record))

    assert record.decode(value.encode()) == value
    assert record.decode(value.encode()).encode() == value.encode()


@pytest.mark.parametrize("record", RECORDS)
@few
@given(data=st.data())
def test_what_is_encoded_is_strict_json_and_valid_by_the_published_schema(
    record: type[Record], data: st.DataObject
) -> None:
    value = json.loads(data.draw(records(record)).encode(), parse_constant=reject_constant)

    schema_of(record).validate(value)


@pytest.mark.row(18)
@pytest.mark.parametrize("record", RECORDS)
@given(value=st.binary(max_size=64))
def test_bytes_of_any_kind_raise_bad_input_or_nothing(record: type[Record], value: bytes) -> None:
    accepts(record, value)


@pytest.mark.row(18)
@pytest.mark.parametrize("record", RECORDS)
@given(value=json_values)
def test_json_of_any_kind_raises_bad_input_or_nothing(record: type[Record], value: Any) -> None:
    accepts(record, json.dumps(value).encode())


@pytest.mark.row(18)
@given(
    golden=st.sampled_from(GOLDEN),
    record=st.sampled_from(RECORDS),
    at=st.integers(0, 2_000),
    cut=st.integers(0, 8),
    junk=st.binary(max_size=8),
)
def test_a_damaged_record_raises_bad_input_or_nothing(
    golden: bytes, record: type[Record], at: int, cut: int, junk: bytes
) -> None:
    at %= len(golden)
    accepts(record, golden[:at] + junk + golden[at + cut :])


@pytest.mark.parametrize("record", RECORDS)
@few
@given(data=st.data())
def test_decoder_and_published_schema_refuse_the_same(record: type[Record], data: st.DataObject) -> None:
    content = json.loads(data.draw(records(record)).encode())
    field = data.draw(st.sampled_from(sorted(record.model_fields.keys() - {"vector_f16", "dimension"})))
    if data.draw(st.booleans()):
        content[field] = data.draw(odd_values)
    else:
        content.pop(field, None)

    assert accepts(record, json.dumps(content).encode()) == schema_of(record).is_valid(content)


@pytest.mark.row(22)
@pytest.mark.parametrize("record", RECORDS)
@few
@given(data=st.data(), unknown=st.dictionaries(st.text(max_size=5).map("later_{}".format), json_values, max_size=3))
def test_unknown_fields_change_nothing(record: type[Record], data: st.DataObject, unknown: dict[str, Any]) -> None:
    value = data.draw(records(record))

    assert record.decode(json.dumps(json.loads(value.encode()) | unknown).encode()) == value


@given(records(TrackEmbedding))
def test_a_vector_survives_its_packing(embedding: TrackEmbedding) -> None:
    assert TrackEmbedding.pack(embedding.vector()) == embedding.vector_f16
    assert embedding.vector().shape == (embedding.dimension,)
