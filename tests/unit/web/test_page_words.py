"""The page has a word for every code of the contract."""

import re
from pathlib import Path

import pytest

import streams.web
from musicrec.contracts import Degradation, EventType, ListenOutcome, Mode, ReasonCode
from musicrec.recommend.fusion import Source

STATIC = Path(streams.web.__file__).parent / "static"
WORDS = (STATIC / "words.js").read_text()


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("REASONS", [code.value for code in ReasonCode]),
        ("SOURCES", [source.label for source in Source]),
        ("LACKING", [code.value for code in Degradation]),
        ("OUTCOMES", [code.value for code in ListenOutcome]),
        ("EVENTS", [code.value for code in EventType]),
        ("MODES", [code.value for code in Mode]),
    ],
)
def test_a_table_of_words_holds_every_code_and_no_other(table: str, codes: list[str]) -> None:
    match = re.search(rf"const {table} = {{(.*?)\n}};", WORDS, re.DOTALL)
    assert match is not None
    assert sorted(re.findall(r"^  (\w+):", match[1], re.MULTILINE)) == sorted(codes)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_nothing_is_parsed_as_html(path: Path) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(", path.read_text())
