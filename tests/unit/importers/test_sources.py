"""Files, folders and archives give the same sources."""

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from musicrec.errors import BadInput
from musicrec.importers.rows import Unreadable
from musicrec.importers.sources import MAX_LINE_BYTES, Line, lines, open_sources


def is_tsv(name: str) -> bool:
    return name.endswith(".tsv")


def contents(*paths: Path) -> list[bytes]:
    return [source.stream.read() for source in open_sources(paths, is_tsv)]


def test_folder_zip_tar_and_gzip_hold_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.tsv").write_bytes(b"one")
    (folder / "b.tsv.gz").write_bytes(gzip.compress(b"two"))
    (folder / "read me.txt").write_bytes(b"no")
    (folder / "._a.tsv").write_bytes(b"left by an archiver")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"deep/{path.name}")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"deep/{path.name}")

    assert contents(tmp_path / "folder") == [b"one", b"two"]
    assert contents(tmp_path / "x.zip") == [b"one", b"two"]
    assert contents(tmp_path / "x.tar.gz") == [b"one", b"two"]
    assert contents(folder / "b.tsv.gz", folder / "a.tsv") == [b"two", b"one"]


def test_a_file_given_by_name_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "odd.name").write_bytes(b"one")

    assert contents(tmp_path / "odd.name") == [b"one"]


def test_a_missing_file_an_empty_folder_and_a_false_zip_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "false.zip").write_bytes(b"no zip")
    (tmp_path / "false.tar.gz").write_bytes(b"no tar")

    for name, message in [
        ("missing.tsv", "No such file"),
        ("empty", "holds no file"),
        ("false.zip", "cannot be read"),
        ("false.tar.gz", "cannot be read"),
    ]:
        with pytest.raises(BadInput, match=message) as caught:
            contents(tmp_path / name)
        assert name in str(caught.value)


def test_a_truncated_archive_is_an_error_and_no_shorter_history(tmp_path: Path) -> None:
    whole = gzip.compress(b"a line\n" * 1_000)
    (tmp_path / "cut.tsv.gz").write_bytes(whole[:-10])

    with pytest.raises(BadInput, match=r"cut\.tsv\.gz"):
        [list(lines(source)) for source in open_sources([tmp_path / "cut.tsv.gz"], is_tsv)]


@pytest.mark.parametrize("what", ["a byte lost at its front", "a version of the far future", "an encrypted member"])
def test_a_damaged_or_odd_zip_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("log.tsv", b"one")
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    path.write_bytes(
        {
            "a byte lost at its front": whole[1:],
            "a version of the far future": whole[: directory + 6] + b"\xff" + whole[directory + 7 :],
            "an encrypted member": whole[: directory + 8] + b"\x01" + whole[directory + 9 :],
        }[what]
    )

    with pytest.raises(BadInput, match=r"log\.zip"):
        contents(path)


def test_a_gzip_header_that_ends_in_its_extra_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x1f\x005\xff")

    with pytest.raises(BadInput, match=r"log\.tar\.gz"):
        contents(path)


def test_lines_end_at_line_feeds_only_and_carry_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufeffone\u2028still one\r\n".encode() + b"\xff\xfe\n" + b"x" * (2 * MAX_LINE_BYTES) + b"\nlast")

    found = [line for source in open_sources([path], is_tsv) for line in lines(source)]

    assert found == [
        Line(f"{path}:1", "one\u2028still one"),
        Unreadable(f"{path}:2", "not UTF-8 at byte 0"),
        Unreadable(f"{path}:3", f"a line longer than {MAX_LINE_BYTES} bytes"),
        Line(f"{path}:4", "last"),
    ]
