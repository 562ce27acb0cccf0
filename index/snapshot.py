"""Snapshots of an index on disk: whole or not there, and never believed without a check.

A snapshot is a folder `snapshot-<created_at_ms>` with the FAISS file, the track of each number and a manifest with the
sha256 of both.  FAISS loads most files with a flipped bit without a word, so the sums are the only protection; after
them a search for some of its own vectors must find them.  A snapshot that fails is left out with its reason, the one
before it is tried, and without any the topic is read from its beginning.

Writing: a temporary folder, every file and folder synced, one rename.  A crash at any point leaves the older snapshots
and a temporary folder that the next writer removes.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index.faiss_index import DEFAULT_SEARCH, FaissIndex, SearchConfig
from index.inverted_file import InvertedFile
from index.track_numbers import TrackNumbers
from musicrec.errors import Incompatible, Unavailable

logger = logging.getLogger(__name__)

FORMAT = 1
VECTORS, TRACKS, MANIFEST = "vectors.faiss", "tracks.json", "manifest.json"
PREFIX, TEMPORARY = "snapshot-", ".writing-"

KEPT = 2
"""The newest, and one to fall back to."""

MAX_AGE_MS = 12 * 3_600_000
"""Half of Kafka's default delete.retention.ms: in an older one a removed track might live on, because the tombstone
that removes it may have been compacted away."""

SELF_SEARCHES = 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself."""

    format: int
    model_version: str
    dimension: int
    tracks: int
    newest_ms: int
    """Time of the last embedding, epoch milliseconds."""
    created_at_ms: int
    offsets: Mapping[str, int]
    """Offset of the first record that is not in it, by partition number as text (keys of a JSON object)."""
    sha256: Mapping[str, str]
    """Sum of each file."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was loaded and checked."""

    index: FaissIndex
    manifest: Manifest

    @property
    def offsets(self) -> dict[int, int]:
        """Offset of the first record that is not in it, by partition."""
        return {int(partition): offset for partition, offset in self.manifest.offsets.items()}


class SnapshotFolder:
    """The snapshots of one topic in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, index: FaissIndex, *, offsets: Mapping[int, int], newest_ms: int, now_ms: int) -> Path:
        """Write a snapshot; return its folder. Searches and changes go on, as with `FaissIndex.copy`.

        Args:
            index: what to save.
            offsets: for each partition a place before which every record is in the index.
            newest_ms: time of the last embedding in it.
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
                    _write(temporary, index, offsets=offsets, newest_ms=newest_ms, now_ms=now_ms)
                    finished = temporary.rename(self.root / f"{PREFIX}{now_ms:015}")
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)
                _sync(self.root)
                for old in self._newest_first()[KEPT:]:
                    shutil.rmtree(old, ignore_errors=True)
                return finished
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError when it cannot write
            raise Unavailable(f"index snapshot in {self.root}: {error}") from error

    def load(self, *, now_ms: int, config: SearchConfig = DEFAULT_SEARCH) -> Snapshot | None:
        """Return the newest snapshot that passes every check, or None; each refused one is logged with its reason."""
        for folder in self._newest_first():
            try:
                return load_snapshot(folder, now_ms=now_ms, config=config)
            except Incompatible as error:
                logger.warning("%s", error)
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.root.glob(f"{PREFIX}*"), reverse=True)

    def _remove_leftovers(self) -> None:
        for leftover in self.root.glob(f"{TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"index snapshot in {self.root}: another process is writing one") from None
            yield


def load_snapshot(folder: Path, *, now_ms: int, config: SearchConfig = DEFAULT_SEARCH) -> Snapshot:
    """Load one snapshot.

    Raises:
        Incompatible: it is too old, incomplete or not what was written; says which.
    """
    try:
        manifest = _read_manifest(folder)
        if now_ms - manifest.created_at_ms > MAX_AGE_MS:
            raise ValueError(f"older than {MAX_AGE_MS // 3_600_000} hours: it may hold removed tracks")
        for name, expected in manifest.sha256.items():
            if _sum(folder / name) != expected:
                raise ValueError(f"{name} is not what was written: its sha256 differs")
        tracks = json.loads((folder / TRACKS).read_bytes())
        # The file is the one that we wrote, by its sum; FAISS's reader is not for files of strangers.
        ivf = faiss.read_index(str(folder / VECTORS))
        file = InvertedFile(ivf)  # type: ignore[arg-type]
        index = FaissIndex(manifest.dimension, manifest.model_version, config, contents=(TrackNumbers(tracks), file))
        _check(index, file, manifest)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Incompatible(
            f"snapshot {folder} is refused: {error}; the one before it or the topic is read instead"
        ) from error
    return Snapshot(index, manifest)


def _write(folder: Path, index: FaissIndex, *, offsets: Mapping[int, int], newest_ms: int, now_ms: int) -> None:
    folder.mkdir()
    numbers, file = index.copy()
    faiss.write_index(file.faiss_index, str(folder / VECTORS))
    (folder / TRACKS).write_text(json.dumps(numbers.tracks))
    manifest = Manifest(
        format=FORMAT,
        model_version=index.version,
        dimension=index.dimension,
        tracks=len(numbers),
        newest_ms=newest_ms,
        created_at_ms=now_ms,
        offsets={str(partition): offset for partition, offset in sorted(offsets.items())},
        sha256={name: _sum(folder / name) for name in (VECTORS, TRACKS)},
    )
    body = asdict(manifest)
    (folder / MANIFEST).write_text(json.dumps({"manifest": body, "sha256": _manifest_sum(body)}, indent=1))
    for path in (*folder.iterdir(), folder):
        _sync(path)


def _read_manifest(folder: Path) -> Manifest:
    content = json.loads((folder / MANIFEST).read_bytes())
    body = content["manifest"]
    if content["sha256"] != _manifest_sum(body):
        raise ValueError(f"{MANIFEST} is not what was written: its sha256 differs")
    if body["format"] != FORMAT:
        raise ValueError(f"format {body['format']}; this release reads format {FORMAT}")
    return Manifest(**body)


def _check(index: FaissIndex, file: InvertedFile, manifest: Manifest) -> None:
    if not len(index) == len(file) == manifest.tracks:
        raise ValueError(f"{len(index)} tracks and {len(file)} vectors; the manifest says {manifest.tracks}")
    tracks = index.track_ids()
    for place in np.linspace(0, len(tracks) - 1, min(SELF_SEARCHES, len(tracks))).astype(int):
        vector = index.vector(tracks[place])
        if vector is None or vector.shape != (manifest.dimension,) or index.search(vector, 1)[0][1] < 0.99:
            raise ValueError(f"track {tracks[place]!r} is not found by its own vector")


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest_sum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
