"""Rules out of a file, and a rule out of options: what is wrong is named with its place."""

from pathlib import Path

import pytest

from musicrec.cli.rules import put
from musicrec.contracts import RuleEffect
from musicrec.errors import BadInput
from musicrec.published_rules import rules_in_file

NOW_MS = 1_760_000_000_000


def test_a_file_has_a_rule_a_line_and_all_are_published_now(tmp_path: Path) -> None:
    path = tmp_path / "rules.jsonl"
    path.write_text(
        '{"name":"a","effect":"deny","tracks":["t"],"published_at_ms":1600000000000}\n\n'
        '{"name":"b","effect":"allow","labels":["l"]}\n'
    )
    rules = rules_in_file(path, NOW_MS)
    assert [(rule.name, rule.effect, rule.published_at_ms) for rule in rules] == [
        ("a", RuleEffect.DENY, NOW_MS),
        ("b", RuleEffect.ALLOW, NOW_MS),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no rule in it; a JSON object per line is needed"),
        ("[]", ":1: a JSON object is needed"),
        ("{", ":1: Expecting property name"),
        ('\n{"name":"a","effect":"deny"}', ":2: CatalogueRule: tracks: a deny rule names tracks, artists, labels or"),
        ('{"name":"a","effect":"deny","markets":["de"]}', ":1: markets.0: "),
        ('{"name":"a","effect":"deny","markets":["DE"]}\n' * 2, "two rules are called 'a'"),
        ("[" * 100_000, ":1: "),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_by_line_and_field(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "rules.jsonl"
    path.write_text(content)
    with pytest.raises(BadInput) as refused:
        rules_in_file(path, NOW_MS)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.jsonl: cannot read it"):
        rules_in_file(tmp_path / "missing.jsonl", NOW_MS)


def test_a_rule_of_options_needs_a_name_an_effect_and_what_it_is_about() -> None:
    for arguments, said in (
        ({}, "either a FILE or --name NAME is needed"),
        ({"name": "a", "file": Path("f")}, "either a FILE or --name NAME is needed"),
        ({"file": Path("f"), "deny": True}, "rules put f: what its rules say stands in the file"),
        ({"name": "a"}, "--name a: either --deny or --allow is needed"),
        ({"name": "a", "deny": True, "allow": True}, "--name a: either --deny or --allow is needed"),
        ({"name": "a", "deny": True}, "--name a: CatalogueRule: tracks: a deny rule names"),
        (
            {"name": "a", "deny": True, "markets": ["de"]},
            "--name a: markets.0: 'de'; two capital letters of ISO 3166-1 are needed",
        ),
        ({"name": "a", "deny": True, "tracks": ["t"], "from_time": "soon"}, "a date or a time like 2026-01-31"),
    ):
        with pytest.raises(BadInput) as refused:
            put(**arguments)  # type: ignore[arg-type]
        assert said in str(refused.value)
