"""The table of faults is what the tests show, and every row of it is shown or says why not."""

from pathlib import Path

import pytest
from fault_catalogue import document, faults_in, marks
from fault_rows import ROWS

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_faults_is_what_the_tests_show() -> None:
    assert (ROOT / "deploy/faults.md").read_text() == document(marks()), (
        "run `python tests/fault_catalogue.py > deploy/faults.md`"
    )


def test_every_row_is_shown_by_a_test_or_says_why_not() -> None:
    assert faults_in(marks()) == []
    assert [row.number for row in ROWS] == list(range(1, 46))


def test_a_test_carries_the_marks_that_the_table_reads(request: pytest.FixtureRequest) -> None:
    read = {(mark.path, mark.function, mark.row) for mark in marks()}
    carried = {
        (item.path, item.originalname, row)
        for item in request.session.items
        if isinstance(item, pytest.Function)
        for mark in item.iter_markers("row")
        for row in mark.args
    }
    assert carried <= read


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("@pytest.mark.row(46)\ndef test_x(): pass", "test_x shows row 46, which does not exist"),
        ("@pytest.mark.row(1)\ndef helper(): pass", "helper has a row and is no test"),
        ("pytestmark = pytest.mark.row(0)\nasync def test_y(): pass", "test_y shows row 0, which does not exist"),
        ("pytestmark = [pytest.mark.kafka, pytest.mark.row(1, 99)]\ndef test_z(): pass", "test_z shows row 99"),
        ("@pytest.mark.row(1)\n@given(x)\ndef test_x(): pass", "row 18: no test shows it, and it does not say why"),
    ],
)
def test_a_mark_or_a_row_that_leads_nowhere_is_named(source: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text(source)
    assert any(says in fault for fault in faults_in(marks(tmp_path)))


def test_a_row_that_is_no_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_marked.py").write_text("@pytest.mark.row(*ROWS)\ndef test_x(): pass")
    with pytest.raises(SyntaxError, match=r"test_marked\.py:1: a row is a number"):
        list(marks(tmp_path))
