"""Last.fm-1K lines as they are in the data set."""

import tarfile
from pathlib import Path

from musicrec.importers import Listen, Unreadable
from musicrec.importers.lastfm_1k import read_lastfm_1k

ARTIST_MBID = "f1b1cf71-bd35-4e99-8624-24a6e15f133a"
TRACK_MBID = "c9b5e1f5-6b7e-4b1e-8d3a-0f8c6a2f7d11"
LINES = (
    f"user_000639\t2009-04-08T01:57:47Z\t{ARTIST_MBID}\tThe Dogs\t{TRACK_MBID}\tFall in Love Again?\n"
    f"user_000639\t2009-04-08T01:53:56Z\t{ARTIST_MBID}\tThe Dogs\t\tWait \"Until I'm Dead\n"
    'user_000002\t2008-01-02T03:04:05Z\t\t"Weird" Al\t\tEat It\n'
)
FIRST_START_MS = 1_239_155_636_000


def rows_of(tmp_path: Path, text: str, **options: str) -> list[object]:
    path = tmp_path / "userid-timestamp-artid-artname-traid-traname.tsv"
    path.write_text(text, encoding="utf-8")
    return list(read_lastfm_1k([path], **options))


def test_times_are_starts_and_come_out_oldest_first(tmp_path: Path) -> None:
    listens = [row for row in rows_of(tmp_path, LINES) if isinstance(row, Listen)]

    assert [(listen.user_id, listen.ended_at_ms - listen.ms_played) for listen in listens] == [
        ("user_000639", FIRST_START_MS),
        ("user_000639", FIRST_START_MS + 231_000),
        ("user_000002", 1_199_243_045_000),
    ]
    assert [listen.ms_played for listen in listens] == [231_000, 240_000, 240_000]


def test_quotation_marks_belong_to_names(tmp_path: Path) -> None:
    listens = [row for row in rows_of(tmp_path, LINES) if isinstance(row, Listen)]

    assert [listen.title for listen in listens] == ["Wait \"Until I'm Dead", "Fall in Love Again?", "Eat It"]
    assert listens[2].artist_name == '"Weird" Al'


def test_mbids_are_ids_and_names_stand_in_where_they_are_missing(tmp_path: Path) -> None:
    without, known, by_name = (row for row in rows_of(tmp_path, LINES) if isinstance(row, Listen))

    assert (known.track_id, known.artist_id) == (TRACK_MBID, ARTIST_MBID)
    assert without.artist_id == ARTIST_MBID
    assert without.track_id.startswith("t_")
    assert by_name.artist_id is not None
    assert by_name.artist_id.startswith("a_")


def test_bad_lines_are_named_with_their_reason(tmp_path: Path) -> None:
    text = (
        LINES
        + "one field\nuser\t2008-01-02 03:04\ta\tb\tc\td\n\t2008-01-02T03:04:05Z\ta\tb\tc\td\n"
        + ("user\t2008-01-02T03:04:05Z\ta\tb\t\t\n")
    )
    bad = [row for row in rows_of(tmp_path, text) if isinstance(row, Unreadable)]

    assert [(row.place.rsplit(":", 1)[1], row.reason.split(";")[0]) for row in bad] == [
        ("4", "1 tab-separated fields"),
        ("5", "'2008-01-02 03:04' is no UTC time like 2009-04-08T01:57:47Z"),
        ("6", "no user id"),
        ("7", "neither a track name nor a track MBID"),
    ]


def test_a_time_before_2000_is_a_clock_that_was_never_set(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, "user\t1970-01-01T00:00:09Z\t\tb\t\td\n")

    assert isinstance(row, Unreadable)
    assert "outside 2000 to 2100" in row.reason


def test_one_listener_can_be_picked(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, LINES, user_id="user_000002")) == 1


def test_the_archive_is_read_as_it_came_and_profiles_are_passed_over(tmp_path: Path) -> None:
    rows_of(tmp_path, LINES)
    (tmp_path / "userid-profile.tsv").write_text("#id\tgender\tage\tcountry\tregistered\n")
    with tarfile.open(tmp_path / "lastfm-dataset-1K.tar.gz", "w:gz") as archive:
        for path in tmp_path.glob("*.tsv"):
            archive.add(path, f"lastfm-dataset-1K/{path.name}")

    rows = list(read_lastfm_1k([tmp_path / "lastfm-dataset-1K.tar.gz"]))

    assert len(rows) == 3
    assert all(isinstance(row, Listen) for row in rows)
