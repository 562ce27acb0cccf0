"""No row disappears: each is a listen, or counted with its place and the reason."""

import pytest

from musicrec.errors import BadInput
from musicrec.importers import ImportReport, LeftOut, Listen, Row, Unreadable, readable
from musicrec.importers.rows import MAX_NAMED, checked

NOON_MS = 1_600_000_000_000
LISTEN = Listen("ann", NOON_MS, 200_000, "t1")


def test_every_row_is_counted_once() -> None:
    report = ImportReport()
    rows: list[Row] = [LISTEN, LeftOut("f:2", "podcast episode"), Unreadable("f:3", "no user id"), LISTEN]

    assert list(readable(rows, report, max_bad_share=0.5)) == [LISTEN, LISTEN]
    assert report.rows == 4 == report.listens + report.unreadable + report.left_out.total()
    assert report.named == [Unreadable("f:3", "no user id")]


def test_too_many_bad_rows_end_the_import_and_name_the_first() -> None:
    rows = [LISTEN] * 97 + [Unreadable("f:98", "no user id"), Unreadable("f:99", "no time")]

    with pytest.raises(BadInput, match=r"2 of 99 rows .* f:98: no user id"):
        list(readable(rows, ImportReport(), max_bad_share=0.01))


def test_a_share_of_exactly_the_limit_is_allowed() -> None:
    rows = [LISTEN] * 99 + [Unreadable("f:100", "no user id")]

    assert len(list(readable(rows, ImportReport(), max_bad_share=0.01))) == 99


def test_a_file_of_another_format_is_given_up_early() -> None:
    def endless() -> object:
        while True:
            yield Unreadable("f", "not JSON")

    with pytest.raises(BadInput, match="not JSON"):
        list(readable(endless(), ImportReport()))  # type: ignore[arg-type]


def test_a_report_names_the_first_bad_rows_and_counts_the_others() -> None:
    report = ImportReport()
    list(readable([Unreadable("f", "bad")] * 50, report, max_bad_share=1))

    assert (report.unreadable, len(report.named)) == (50, MAX_NAMED)


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        (LISTEN._replace(ended_at_ms=0), "outside 2000 to 2100"),
        (LISTEN._replace(ended_at_ms=NOON_MS * 1_000), "outside 2000 to 2100"),
        (LISTEN._replace(ms_played=-1), "-1 ms played"),
        (LISTEN._replace(ms_played=86_400_001), "86400001 ms played"),
        (LISTEN._replace(track_id=""), "track id has 0 characters"),
        (LISTEN._replace(user_id="u" * 257), "user id has 257 characters"),
    ],
)
def test_what_no_listen_event_may_hold_is_unreadable(listen: Listen, reason: str) -> None:
    row = checked("f:1", listen)

    assert isinstance(row, Unreadable)
    assert row.place == "f:1"
    assert reason in row.reason
