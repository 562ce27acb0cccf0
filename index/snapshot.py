"""Snapshots of an index: the FAISS file and the track of each number, in a `SnapshotFolder`.

FAISS loads most files with a flipped bit without a word, so the sums are the only protection; after them a search for
some of its own vectors must find them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import faiss
import numpy as np

from index.faiss_index import DEFAULT_SEARCH, FaissIndex, SearchConfig
from index.inverted_file import InvertedFile
from index.track_numbers import TrackNumbers
from musicrec.snapshot_folder import Facts, SnapshotFolder

FORMAT = 1
VECTORS, TRACKS = "vectors.faiss", "tracks.json"

SELF_SEARCHES = 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says of itself."""

    model_version: str
    dimension: int
    tracks: int
    newest_ms: int
    """Time of the last embedding, epoch milliseconds."""
    offsets: Mapping[str, int]
    """Offset of the first record that is not in it, by partition number as text (keys of a JSON object)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was loaded and checked."""

    index: FaissIndex
    manifest: Manifest

    @property
    def offsets(self) -> dict[int, int]:
        """Offset of the first record that is not in it, by partition."""
        return {int(partition): offset for partition, offset in self.manifest.offsets.items()}


class IndexSnapshots:
    """The snapshots of one topic's index."""

    def __init__(self, root: Path) -> None:
        self.folder = SnapshotFolder(root, "index snapshot", FORMAT)

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

        def write(folder: Path) -> Facts:
            numbers, file = index.copy()
            faiss.write_index(file.faiss_index, str(folder / VECTORS))
            (folder / TRACKS).write_text(json.dumps(numbers.tracks))
            places = {str(partition): offset for partition, offset in sorted(offsets.items())}
            return asdict(Manifest(index.version, index.dimension, len(numbers), newest_ms, places))

        return self.folder.save(write, now_ms=now_ms)

    def load(self, *, now_ms: int, config: SearchConfig = DEFAULT_SEARCH) -> Snapshot | None:
        """Return the newest snapshot that passes every check, or None; each refused one is logged with its reason."""
        return self.folder.load(lambda folder, facts: _read(folder, facts, config), now_ms=now_ms)

    def load_one(self, folder: Path, *, now_ms: int, config: SearchConfig = DEFAULT_SEARCH) -> Snapshot:
        """Load one snapshot.

        Raises:
            Incompatible: it is too old, incomplete or not what was written; says which.
        """
        return self.folder.load_one(folder, lambda path, facts: _read(path, facts, config), now_ms=now_ms)


def _read(folder: Path, facts: Facts, config: SearchConfig) -> Snapshot:
    manifest = Manifest(**{field.name: facts[field.name] for field in fields(Manifest)})
    tracks = json.loads((folder / TRACKS).read_bytes())
    # The file is the one that we wrote, by its sum; FAISS's reader is not for files of strangers.
    file = InvertedFile(faiss.read_index(str(folder / VECTORS)))  # type: ignore[arg-type]
    index = FaissIndex(manifest.dimension, manifest.model_version, config, contents=(TrackNumbers(tracks), file))
    _check(index, file, manifest)
    return Snapshot(index, manifest)


def _check(index: FaissIndex, file: InvertedFile, manifest: Manifest) -> None:
    if not len(index) == len(file) == manifest.tracks:
        raise ValueError(f"{len(index)} tracks and {len(file)} vectors; the manifest says {manifest.tracks}")
    tracks = index.track_ids()
    for place in np.linspace(0, len(tracks) - 1, min(SELF_SEARCHES, len(tracks))).astype(int):
        vector = index.vector(tracks[place])
        if vector is None or vector.shape != (manifest.dimension,) or index.search(vector, 1)[0][1] < 0.99:
            raise ValueError(f"track {tracks[place]!r} is not found by its own vector")
