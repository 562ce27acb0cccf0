"""What every kind of snapshot goes through on its way to the disk and back."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musicrec.errors import Unavailable
from musicrec.snapshot_folder import Facts, SnapshotFolder

NOW_MS = 1_760_000_000_000
FILE_BYTES = 100_000

KILLED_IN_MID_WRITE = """
import os, signal, sys
from pathlib import Path
from musicrec.snapshot_folder import SnapshotFolder

def write(folder):
    (folder / "numbers").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

SnapshotFolder(Path(sys.argv[1]), "test snapshot", 1).save(write, now_ms=int(sys.argv[2]))
"""


def folder_in(root: Path, version: int = 1) -> SnapshotFolder:
    return SnapshotFolder(root, "test snapshot", version)


def save(root: Path, word: str, now_ms: int = NOW_MS) -> Path:
    def write(folder: Path) -> Facts:
        (folder / "word").write_text(word * (FILE_BYTES // len(word)))
        return {"word": word}

    return folder_in(root).save(write, now_ms=now_ms)


def load(root: Path, version: int = 1) -> str | None:
    def read(folder: Path, facts: Facts) -> str:
        assert (folder / "word").read_text().startswith(facts["word"])
        return str(facts["word"])

    return folder_in(root, version).load(read, now_ms=NOW_MS)


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: the write fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.row(26, 36)
def test_full_disk_leaves_the_older_snapshot_and_nothing_half_written(tmp_path: Path) -> None:
    older = save(tmp_path, "old")
    with disk_with_room_for(FILE_BYTES // 2), pytest.raises(Unavailable, match=r"test snapshot in .*File too large"):
        save(tmp_path, "new", NOW_MS + 1)
    assert [path for path in tmp_path.iterdir() if path.name != ".lock"] == [older]
    assert load(tmp_path) == "old"


@pytest.mark.row(26)
def test_what_a_writer_killed_in_mid_write_left_is_not_read_and_is_removed_by_the_next(tmp_path: Path) -> None:
    older = save(tmp_path, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_MID_WRITE, tmp_path, str(NOW_MS + 1)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / f".writing-{NOW_MS + 1}" / "numbers").read_bytes() == b"half"
    assert load(tmp_path) == "old"
    newer = save(tmp_path, "new", NOW_MS + 2)
    assert {path for path in tmp_path.iterdir() if path.name != ".lock"} == {older, newer}
    assert load(tmp_path) == "new"


def test_other_format_is_refused_in_one_line_that_names_the_snapshot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path, "old")
    assert load(tmp_path, version=2) is None
    (record,) = caplog.records
    assert f"test snapshot {folder} is refused: format 1; this release reads format 2" in record.getMessage()


def test_file_that_the_manifest_names_and_is_gone_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, "old")
    newer = save(tmp_path, "new", NOW_MS + 1)
    os.unlink(newer / "word")
    assert load(tmp_path) == "old"
    assert str(newer / "word") in caplog.text


@pytest.mark.row(17)
def test_snapshot_that_is_saved_after_the_clock_has_gone_back_is_the_newest_and_stays(tmp_path: Path) -> None:
    for word, now_ms in (("first", NOW_MS), ("second", NOW_MS + 1), ("later", NOW_MS - 3_600_000)):
        save(tmp_path, word, now_ms)
    assert load(tmp_path) == "later"
