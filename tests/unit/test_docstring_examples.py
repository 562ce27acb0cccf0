"""What a docstring shows is what the code does."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("musicrec", "streams", "embedder", "index")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text()
]


def test_there_are_examples() -> None:
    assert "musicrec.documents.field_docs" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_stands_below_it(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
