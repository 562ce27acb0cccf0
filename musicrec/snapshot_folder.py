"""Snapshots on disk: whole or not there, and never believed without a check.

A snapshot is a folder `snapshot-<created_at_ms>` with files and a manifest that holds their sha256 and its own.  One
that fails a check is left out with its reason, the one before it is tried, and without any its owner begins with
nothing and reads the topics from their beginnings.

Writing: a temporary folder, every file and folder synced, one rename.  A crash at any point, or a full disk, leaves the
older snapshots and a temporary folder that the next writer removes.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from musicrec.errors import Incompatible, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Facts = Mapping[str, Any]
"""What a manifest says beside sums and age: what the owner has to know before it reads the files."""

MANIFEST: Final = "manifest.json"
PREFIX, TEMPORARY = "snapshot-", ".writing-"

KEPT: Final = 2
"""The newest, and one to fall back to."""

MAX_AGE_MS: Final = 12 * 3_600_000
"""Half of Kafka's default delete.retention.ms: in an older one a removed track might live on, because the tombstone
that removes it may have been compacted away."""

UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, Incompatible)
"""What a reader may raise on a file that it cannot use; FAISS raises RuntimeError."""


class SnapshotFolder:
    """The snapshots of one kind in one folder."""

    def __init__(self, root: Path, what: str, version: int) -> None:
        """Begin with whatever lies in `root`; `what` names the kind in messages, `version` is that of its format."""
        self.root = root
        self._what = what
        self._version = version

    def save(self, write: Callable[[Path], Facts], *, now_ms: int) -> Path:
        """Write a snapshot; return its folder.

        Args:
            write: writes its files into a folder and returns what the manifest says of them.
            now_ms: the present, epoch milliseconds.

        Raises:
            Unavailable: another process is writing here, or the disk is full or away.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._only_writer():
                self._remove_leftovers()
                temporary = self.root / f"{TEMPORARY}{now_ms}"
                try:
                    self._write(temporary, write, now_ms)
                    finished = temporary.rename(self._next(now_ms))
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
                _sync(self.root)
                for old in self.newest_first()[KEPT:]:
                    shutil.rmtree(old, ignore_errors=True)
                return finished
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError when it cannot write
            raise Unavailable(f"{self._what} in {self.root}: {error}") from error

    def load(self, read: Callable[[Path, Facts], T], *, now_ms: int) -> T | None:
        """Return what `read` makes of the newest good snapshot, or None; each refused one is logged with its reason."""
        for folder in self.newest_first():
            try:
                return self.load_one(folder, read, now_ms=now_ms)
            except Incompatible as error:
                log.warning("%s", error)
        return None

    def load_one(self, folder: Path, read: Callable[[Path, Facts], T], *, now_ms: int) -> T:
        """Return what `read` makes of one snapshot whose files are what was written.

        Raises:
            Incompatible: it is too old, incomplete, not what was written, or `read` cannot use it; says which.
        """
        try:
            facts = self._checked_facts(folder)
            if now_ms - facts["created_at_ms"] > MAX_AGE_MS:
                raise ValueError(f"older than {MAX_AGE_MS // 3_600_000} hours: it may hold removed tracks")
            for name, expected in facts["sha256"].items():
                if _sum(folder / name) != expected:
                    raise ValueError(f"{name} is not what was written: its sha256 differs")
            return read(folder, facts)
        except UNREADABLE as error:
            raise Incompatible(
                f"{self._what} {folder} is refused: {error}; the one before it or the topic is read instead"
            ) from error

    def _next(self, now_ms: int) -> Path:
        """Return the name of the newest snapshot: after all others, though the clock may have gone back."""
        numbers = (path.name.removeprefix(PREFIX) for path in self.newest_first())
        newest = max((int(number) for number in numbers if number.isdecimal()), default=-1)
        return self.root / f"{PREFIX}{max(now_ms, newest + 1):015}"

    def newest_first(self) -> list[Path]:
        """Return the folders of all finished snapshots."""
        return sorted(self.root.glob(f"{PREFIX}*"), reverse=True)

    def _write(self, folder: Path, write: Callable[[Path], Facts], now_ms: int) -> None:
        folder.mkdir()
        facts = dict(write(folder))
        sums = {path.name: _sum(path) for path in sorted(folder.iterdir())}
        body = facts | {"format": self._version, "created_at_ms": now_ms, "sha256": sums}
        (folder / MANIFEST).write_text(json.dumps({"manifest": body, "sha256": manifest_sum(body)}, indent=1))
        for path in (*folder.iterdir(), folder):
            _sync(path)

    def _checked_facts(self, folder: Path) -> dict[str, Any]:
        content = json.loads((folder / MANIFEST).read_bytes())
        body: dict[str, Any] = content["manifest"]
        if content["sha256"] != manifest_sum(body):
            raise ValueError(f"{MANIFEST} is not what was written: its sha256 differs")
        if body["format"] != self._version:
            raise ValueError(f"format {body['format']}; this release reads format {self._version}")
        return body

    def _remove_leftovers(self) -> None:
        for leftover in self.root.glob(f"{TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"{self._what} in {self.root}: another process is writing one") from None
            yield


def manifest_sum(body: Facts) -> str:
    """Return the sum of a manifest's body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
