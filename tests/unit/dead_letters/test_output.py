"""Hostile content in dead letters does nothing to a terminal."""

import json
import unicodedata
from collections import Counter

import pytest

from musicrec.cli.dlq_output import MAX_SHOWN_BYTES, line_of, print_counts, print_letter, print_letters
from musicrec.contracts import DeadLetter
from musicrec.dead_letters import Letter, Place, letter_of
from musicrec.errors import DeadLetterReason
from musicrec.topics import LISTENS

HOSTILE = ":smile:\x1b]0;owned\x07\x1b[2J[red]<script>alert(1)</script>\u202e\u200b\r\n\x9b1m"


def hostile(value: bytes = HOSTILE.encode() + b"\xff\x00", at_ms: int = 1_760_000_000_000) -> Letter:
    why = DeadLetter(
        original_topic=LISTENS.name,
        original_partition=0,
        original_offset=1,
        original_timestamp=0,
        reason=DeadLetterReason.MALFORMED,
        error_message=HOSTILE,
        app=HOSTILE,
        app_version=HOSTILE,
    )
    headers: list[tuple[str, bytes | None]] = [(HOSTILE, HOSTILE.encode()), ("\ud800", b"\xff"), *why.headers()]
    return letter_of(Place(LISTENS.dead_letters, 0, 5), at_ms=at_ms, key=HOSTILE.encode(), value=value, headers=headers)


def assert_harmless(shown: str) -> None:
    assert {c for c in shown if unicodedata.category(c)[0] in "CZ"} <= {" ", "\n"}


@pytest.mark.row(45)
def test_a_table_shows_hostile_words_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters([hostile()])

    shown = capsys.readouterr().out
    assert_harmless(shown)
    assert ":smile:\\x1b]0;owned\\x07\\x1b[2J[red]<script>alert(1)</script>\\u202e" in shown
    assert "musicrec.listens.v1.dlq[0]@5" in shown
    assert "musicrec.listens.v1[0]@1" in shown


@pytest.mark.row(45)
def test_a_letter_shows_key_headers_and_value_escaped_on_their_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_letter(hostile())

    shown = capsys.readouterr().out
    assert_harmless(shown)
    lines = dict(line.split(": ", 1) for line in shown.splitlines()[:-1])
    assert lines["key"].startswith(":smile:\\x1b]0;owned")
    assert lines["header \\ud800"] == "\\xff"
    assert lines["replayed, it is"].startswith("refused again, always")
    assert shown.splitlines()[-1].endswith("\\r\\n\\x9b1m\\xff\\x00")


def test_json_of_a_letter_is_one_line_of_ascii() -> None:
    line = json.dumps(line_of(hostile()))

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == HOSTILE


def test_a_long_value_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_letter(hostile(b"v" * (MAX_SHOWN_BYTES + 1_000)))

    assert capsys.readouterr().out.endswith(f"{'v' * MAX_SHOWN_BYTES}\n… and 1,000 bytes more; --raw writes them all\n")


def test_an_impossible_time_is_shown_as_a_number() -> None:
    assert line_of(hostile(at_ms=2**63 - 1))["at"] == f"{2**63 - 1} ms"


def test_counts_say_what_a_replay_makes_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counter({("musicrec.listens.v1.dlq", "too_late"): 1_234, ("musicrec.listens.v1.dlq", "unreadable"): 1})

    print_counts(counts)
    print_counts(counts, as_json=True)

    table, lines = capsys.readouterr().out.split('{"topic"', 1)
    assert "1,234" in table
    assert "MUSICREC_SESSION__GRACE_MS" in table
    assert json.loads('{"topic"' + lines.splitlines()[0])["count"] == 1_234
    assert "skipped unless it is named" in lines
