"""Text from outside on a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.printable import printable, printable_bytes


@pytest.mark.row(45)
def test_ansi_bidi_zero_width_and_line_ends_are_escaped() -> None:
    assert printable("\x1b[31mred\x1b]0;title\x07") == "\\x1b[31mred\\x1b]0;title\\x07"
    assert printable("abc\u202ecod.exe\u2066\u200b\ufeff") == "abc\\u202ecod.exe\\u2066\\u200b\\ufeff"
    assert printable("two\r\nlines\u2028three\x85") == "two\\r\\nlines\\u2028three\\x85"
    assert printable("8-bit \x9b2J, half \ud83d, tag \U000e0041") == "8-bit \\x9b2J, half \\ud83d, tag \\U000e0041"


def test_names_of_all_the_world_stay_as_they_are() -> None:
    for name in ("Sigur Rós", "初音ミク", "Ария", "فيروز", "AC/DC", "¡Uno! 🎸", "e\u0301"):
        assert printable(name) == name


def test_bytes_that_are_no_utf_8_are_escaped() -> None:
    assert printable_bytes(b"\xff\xfe{\x00}") == "\\xff\\xfe{\\x00}"


@pytest.mark.row(45)
@given(st.binary(max_size=64))
def test_nothing_that_a_terminal_obeys_is_left(data: bytes) -> None:
    shown = printable_bytes(data)

    assert all(unicodedata.category(char)[0] not in "CZ" or char == " " for char in shown)
    shown.encode()  # no half of a surrogate pair either
