"""Rules on `musicrec.rules.v1`: one read, all that stand, new ones put there, and those of a file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from musicrec.access import RULES_COMMAND
from musicrec.contracts import CatalogueRule
from musicrec.errors import BadInput
from musicrec.settings import KafkaSettings
from musicrec.standing_records import named_record, put_standing, standing


def rule_in(key: bytes | None, value: bytes | None) -> tuple[str, CatalogueRule | None]:
    """Return a rule's name and what a record says of it; see `named_record`."""
    return named_record(CatalogueRule, key, value)


async def published_rules(kafka: KafkaSettings) -> dict[str, CatalogueRule]:
    """Return the rules that stand now, by name; see `standing`."""
    return await standing(kafka, RULES_COMMAND, CatalogueRule)


async def put_rules(kafka: KafkaSettings, rules: Iterable[CatalogueRule]) -> None:
    """Publish rules, each in the place of the one of its name; see `put_standing`."""
    await put_standing(kafka, RULES_COMMAND, {rule.name: rule for rule in rules})


async def withdraw_rule(kafka: KafkaSettings, name: str) -> None:
    """Withdraw a rule; see `put_standing`."""
    await put_standing(kafka, RULES_COMMAND, {name: None})


def rules_in_file(path: Path, now_ms: int) -> list[CatalogueRule]:
    """Return the rules of a file, a JSON object per line, as `musicrec rules list --json` writes them.

    Raises:
        BadInput: one breaks the contract, or the file cannot be read or holds none; names file, line and field.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot read it: {error}") from None
    rules = [_rule_of(f"{path}:{number}", line, now_ms) for number, line in enumerate(lines, 1) if line.strip()]
    if not rules:
        raise BadInput(f"{path}: no rule in it; a JSON object per line is needed")
    names = [rule.name for rule in rules]
    if twice := next(_repeated(names), None):
        raise BadInput(f"{path}: two rules are called {twice!r}; the second would replace the first")
    return rules


def new_rule(fields: Mapping[str, Any], now_ms: int) -> CatalogueRule:
    """Return the rule of these fields, published now.

    Raises:
        BadInput: it breaks the contract; names the field, and of a market what stands there instead of a code.
    """
    markets = fields.get("markets")
    for place, market in enumerate(markets if isinstance(markets, list) else ()):
        if not (isinstance(market, str) and re.fullmatch("[A-Z]{2}", market)):
            raise BadInput(f"markets.{place}: {market!r}; two capital letters of ISO 3166-1 are needed, like DE")
    return CatalogueRule.decode(json.dumps({**fields, "published_at_ms": now_ms}).encode())


def _rule_of(place: str, line: str, now_ms: int) -> CatalogueRule:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise BadInput("a JSON object is needed")
        return new_rule(fields, now_ms)
    except (BadInput, ValueError, RecursionError) as error:
        raise BadInput(f"{place}: {error}") from None


def _repeated(names: Iterable[str]) -> Iterator[str]:
    seen = set[str]()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)
