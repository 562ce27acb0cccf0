"""The published documents are what the code says, and what their specifications allow."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

from musicrec.contracts import DeadLetter, Degradation, Mode, ReasonCode, Record
from musicrec.documents import asyncapi_document, check_files, contract_files, json_schema, topics_table, write_files
from musicrec.documents.field_docs import field_docs
from musicrec.documents.member_docs import member_docs
from musicrec.errors import DeadLetterReason, Incompatible
from musicrec.topics import RECORD_TOPICS, TOPICS
from streams.gateway.openapi import openapi_files

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "deploy" / "contracts"
RECORDS: list[type[Record]] = [topic.record for topic in RECORD_TOPICS if topic.record is not None]


@pytest.fixture(scope="module")
def specification() -> Draft7Validator:
    return Draft7Validator(json.loads((ROOT / "tests/contract/asyncapi/3.1.0.schema.json").read_text()))


def values(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside `node`."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from values(child)


def resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_the_published_documents_are_what_the_code_says() -> None:
    check_files(PUBLISHED, openapi_files())


def test_a_document_that_differs_is_missing_or_describes_nothing_is_named(tmp_path: Path) -> None:
    write_files(tmp_path)
    check_files(tmp_path)
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas" / "listen.v1.schema.json").unlink()
    (tmp_path / "schemas" / "listen.v0.schema.json").write_text("{}")

    with pytest.raises(Incompatible, match=r"asyncapi\.json, schemas/listen\.v1\.schema\.json, schemas/listen\.v0"):
        check_files(tmp_path)
    assert {path.name for path in write_files(tmp_path)} == {"asyncapi.json", "listen.v1.schema.json"}


def test_the_commands_write_and_check(tmp_path: Path) -> None:
    def run(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "musicrec.cli.main", "contracts", verb, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    missing, written, checked = run("check"), run("write"), run("check")

    assert (missing.returncode, written.returncode, checked.returncode) == (2, 0, 0)
    assert "musicrec contracts write" in missing.stderr
    assert f"{len(contract_files() | openapi_files())} documents changed" in written.stdout


def test_without_the_gateways_libraries_its_document_is_left_as_it_is(tmp_path: Path) -> None:
    def run(verb: str) -> subprocess.CompletedProcess[str]:
        program = "import sys; sys.modules['fastapi'] = None; from musicrec.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, "contracts", verb, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert "openapi.json is left as it is: fastapi is missing" in run("write").stderr
    assert not (tmp_path / "openapi.json").exists()
    (tmp_path / "openapi.json").write_text("{}")
    assert (run("write").returncode, run("check").returncode) == (0, 0)
    assert (tmp_path / "openapi.json").read_text() == "{}"


def test_every_reference_of_the_openapi_document_leads_somewhere() -> None:
    document = json.loads(openapi_files()["openapi.json"])
    references = [value["$ref"] for value in values(document) if isinstance(value.get("$ref"), str)]

    assert references
    for reference in references:
        assert isinstance(resolve(document, reference), dict)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    used = json.dumps(document)
    assert [name for name in document["components"]["schemas"] if f"#/components/schemas/{name}" not in used] == []


def test_the_asyncapi_document_is_valid(specification: Draft7Validator) -> None:
    assert [error.message for error in specification.iter_errors(json.loads(json.dumps(asyncapi_document())))] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("info"),
        lambda document: document["channels"]["listens"]["bindings"]["kafka"].update(partitions=0),
        lambda document: document["operations"]["sessionAgentReceivesListens"].update(action="read"),
        lambda document: document["components"]["messages"]["listen"].update(payloads={}),
    ],
)
def test_the_specification_would_notice(specification: Draft7Validator, spoil: Any) -> None:
    document = copy.deepcopy(asyncapi_document())
    spoil(document)

    assert not specification.is_valid(document)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document()
    references = [value["$ref"] for value in values(document) if isinstance(value.get("$ref"), str)]

    assert len(references) > len(TOPICS)
    for reference in references:
        assert isinstance(resolve(document, reference), dict)


def test_channels_say_what_the_table_of_topics_says() -> None:
    channels = {
        channel["address"]: channel["bindings"]["kafka"] for channel in asyncapi_document()["channels"].values()
    }

    assert channels.keys() == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        assert channels[topic.name]["partitions"] == topic.partitions
        configuration = channels[topic.name]["topicConfiguration"]
        assert configuration["cleanup.policy"] == topic.cleanup.split(",")
        assert configuration.get("retention.ms") == topic.retention_ms


def test_publishers_on_librdkafka_are_told_about_the_partitioner() -> None:
    document = asyncapi_document()

    assert "partitioner=murmur2_random" in document["info"]["description"]
    assert "murmur2_random" in document["components"]["messages"]["listen"]["bindings"]["kafka"]["key"]["description"]


def test_dead_letters_have_the_headers_that_we_write() -> None:
    letter = DeadLetter(
        original_topic="t",
        original_partition=0,
        original_offset=1,
        original_timestamp=2,
        reason=DeadLetterReason.EMPTY,
        error_message="",
        app="a",
        app_version="1",
    )
    described = asyncapi_document()["components"]["schemas"]["DeadLetterHeaders"]

    assert {name for name, _ in letter.headers()} == described["properties"].keys() == set(described["required"])
    Draft202012Validator(described).validate({name: value.decode() for name, value in letter.headers()})


@pytest.mark.parametrize("record", [*RECORDS, DeadLetter])
def test_schemas_are_valid_and_describe_every_field(record: type[Record]) -> None:
    schema = json_schema(record)

    Draft202012Validator.check_schema(schema)
    assert schema["properties"].keys() == record.model_fields.keys()
    docs = field_docs(record)
    assert docs.keys() == record.model_fields.keys()
    described = {name: field["description"] for name, field in schema["properties"].items() if "$ref" not in field}
    assert described == {name: text for name, text in docs.items() if name in described}


@pytest.mark.parametrize("enum", [DeadLetterReason, Degradation, Mode, ReasonCode])
def test_every_word_of_a_closed_list_is_explained_where_it_is_published(enum: type[Enum]) -> None:
    docs = member_docs(enum)
    described = asyncapi_document()["components"]["schemas"]

    assert docs.keys() == {member.value for member in enum}
    text = described[enum.__name__]["description"]
    assert all(f"`{word}`: {meaning}" in text for word, meaning in docs.items())


def test_the_table_of_topics_has_a_row_for_each() -> None:
    lines = topics_table().splitlines()

    assert len(lines) == len(TOPICS) + 2
    assert len({line.count("|") for line in lines}) == 1
    assert all(f"| `{topic.name}` |" in topics_table() for topic in TOPICS)
