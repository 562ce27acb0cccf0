"""Dead letters as tables, lines and JSON; what comes from outside is escaped."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from musicrec.cloud_events import rfc_3339
from musicrec.dead_letters import REMEDIES, Letter
from musicrec.errors import DeadLetterReason
from musicrec.printable import printable, printable_bytes

MAX_SHOWN_BYTES: Final = 8 * 1024
PIPED_WIDTH: Final = 240
"""Columns of a table that goes into a file or another program."""


def line_of(letter: Letter) -> dict[str, Any]:
    """Return what `musicrec dlq list --json` prints of a letter."""
    return {
        "place": str(letter.place),
        "original": None if letter.original is None else str(letter.original),
        "reason": letter.reason,
        "message": letter.message,
        "app": None if letter.why is None else letter.why.app,
        "at": _when(letter.at_ms),
        "value_bytes": None if letter.value is None else len(letter.value),
    }


def print_letters(letters: Sequence[Letter]) -> None:
    """Print a table with a row for each letter."""
    table = Table("when", "place", "came from", "reason", "app", "why", box=None, padding=(0, 2, 0, 0))
    for letter in letters:
        line = line_of(letter)
        cells = (line[name] or "" for name in ("at", "place", "original", "reason", "app", "message"))
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    _console().print(table)


def print_counts(counts: Counter[tuple[str, str]], *, as_json: bool = False) -> None:
    """Print how many letters there are by dead-letter topic and reason, and what becomes of them in a replay."""
    table = Table("letters", "topic", "reason", "replayed, it is", box=None, padding=(0, 2, 0, 0))
    for (topic, reason), count in sorted(counts.items()):
        remedy = _remedy(reason)
        if as_json:
            print(json.dumps({"topic": topic, "reason": reason, "count": count, "remedy": remedy}))
        table.add_row(f"{count:,}", topic, reason, remedy)
    if counts and not as_json:
        _console().print(table)


def print_letter(letter: Letter) -> None:
    """Print all of one letter."""
    why, value = letter.why, letter.value
    rows = [
        ("place", str(letter.place)),
        ("came from", "" if letter.original is None else str(letter.original)),
        ("when", _when(letter.at_ms)),
        ("reason", letter.reason),
        ("why", letter.message),
        ("replayed, it is", _remedy(letter.reason)),
        ("app", "" if why is None else f"{why.app} {why.app_version}"),
        ("key", "none" if letter.key is None else printable_bytes(letter.key)),
        *((f"header {name}", "none" if v is None else printable_bytes(v)) for name, v in letter.original_headers),
        ("value", "none" if value is None else f"{len(value):,} bytes"),
    ]
    for name, text in rows:
        print(f"{printable(name)}: {printable(text)}")
    if value:
        print(printable_bytes(value[:MAX_SHOWN_BYTES]))
        if len(value) > MAX_SHOWN_BYTES:
            print(f"… and {len(value) - MAX_SHOWN_BYTES:,} bytes more; --raw writes them all")


def _remedy(reason: str) -> str:
    with suppress(ValueError):
        return REMEDIES[DeadLetterReason(reason)]
    return "skipped unless it is named by its place"


def _when(at_ms: int) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return rfc_3339(at_ms)
    return f"{at_ms} ms"


def _console() -> Console:
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def say(text: str) -> None:
    """Write a line to stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False).print(text)
