"""A trained encoder on disk: weights, the graph that serves them, the tracks' ids, and a manifest that says what it is.

encoder.safetensors  the network's weights, and `tracks.vectors`, float16, shape (tracks, dimension), unit length
encoder.onnx         vectors (1, length, dimension) of a session, the oldest first ▸ direction (1, dimension)
tracks.json          ids in the order of the vectors
manifest.json        the rest; written last, so that a folder with one is whole
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musicrec.errors import Incompatible
from musicrec.sequence.model import Model

FORMAT: Final = 1
WEIGHTS: Final = "encoder.safetensors"
GRAPH: Final = "encoder.onnx"
TRACKS: Final = "tracks.json"
MANIFEST: Final = "manifest.json"
VECTORS: Final = "tracks.vectors"


class Unreadable(Incompatible):
    """A file is not there, or cannot be read now: what is still being copied may come."""


class Manifest(BaseModel):
    """What a folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: int
    """Of the folder."""
    model: Model
    """What mixes the places of a session."""
    dimension: Annotated[int, Field(ge=1)]
    """Components of a vector."""
    scale: Annotated[float, Field(allow_inf_nan=False)]
    """A candidate's logit is this times the cosine of its vector with the session's direction."""
    longest: Annotated[int, Field(ge=1)]
    """Newest tracks of a session that are read."""
    tracks: Annotated[int, Field(ge=1)]
    """How many it knows."""
    sessions: int
    """How many it was trained on."""
    trained_until_ms: int
    """Event time of the newest play it was trained on, epoch milliseconds: what lies before, it has seen."""
    training: dict[str, int | float | str]
    """Settings that make it again."""
    metrics: dict[str, float]
    """On held-out sessions."""
    sha256: dict[str, str]
    """Of each file beside this one."""

    @property
    def version(self) -> str:
        """Return a name that differs wherever lists may differ."""
        identity = hashlib.sha256("".join(sorted(self.sha256.values())).encode()).hexdigest()
        return f"{self.model}-{identity[:12]}"


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """What was read.

    Attributes:
        manifest: what it is.
        track_ids: by row.
        vectors: float16, shape (tracks, dimension), unit length.
        graph: ONNX.
    """

    manifest: Manifest
    track_ids: list[str]
    vectors: NDArray[np.float16]
    graph: bytes


def write_encoder(folder: Path, files: Mapping[str, bytes], **described: object) -> Manifest:
    """Write the files of an encoder and, last, their manifest.

    Args:
        folder: made where it is missing; what lies in it under the same names is replaced.
        files: contents by name: WEIGHTS, GRAPH and TRACKS.
        described: the other fields of the manifest.
    """
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = Manifest.model_validate({"format": FORMAT, "sha256": sums, **described})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(), indent=2) + "\n", encoding="utf-8")
    return manifest


def read_encoder(folder: Path, manifest_sha256: str | None = None) -> EncoderFiles:
    """Read and check an encoder.

    Args:
        folder: what `write_encoder` wrote.
        manifest_sha256: of the manifest that is meant; whatever lies there where none is given.

    Raises:
        Unreadable: a file is missing or cannot be read.
        Incompatible: a file is damaged, of another format, not the one that is meant, or does not fit the others.
    """
    manifest = _manifest(folder / MANIFEST, manifest_sha256)
    data = {name: _checked(folder / name, manifest) for name in (WEIGHTS, GRAPH, TRACKS)}
    try:
        vectors = _vectors(data[WEIGHTS])
        track_ids = json.loads(data[TRACKS])
    except (KeyError, TypeError, ValueError) as error:
        raise Incompatible(f"{folder}: not an encoder: {error}; train it again") from error
    if not isinstance(track_ids, list) or not all(isinstance(track_id, str) for track_id in track_ids):
        raise Incompatible(f"{folder / TRACKS}: not a list of track ids; train it again")
    shape = (manifest.tracks, manifest.dimension)
    if vectors.shape != shape or vectors.dtype != np.float16 or len(track_ids) != manifest.tracks:
        raise Incompatible(
            f"{folder}: {len(track_ids)} ids and vectors {vectors.dtype} {vectors.shape}, the manifest says float16 "
            f"{shape}; train it again"
        )
    if not np.isfinite(vectors).all():
        raise Incompatible(f"{folder / WEIGHTS}: vectors that are not finite; train it again")
    return EncoderFiles(manifest, track_ids, vectors, data[GRAPH])


def manifest_sha256(folder: Path) -> str:
    """Return the sha256 of an encoder's manifest, and so of all that it names.

    Raises:
        Unreadable: there is none, or it cannot be read.
    """
    return hashlib.sha256(_manifest_bytes(folder / MANIFEST)).hexdigest()


def _manifest_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(
            f"{path}: cannot read it ({error.strerror}); name a folder that `musicrec train sequence` wrote"
        ) from error


def _manifest(path: Path, expected: str | None) -> Manifest:
    data = _manifest_bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if expected is not None and digest != expected:
        raise Incompatible(f"{path}: sha256 {digest[:12]}… is not the announced {expected[:12]}…; copy it again")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise Incompatible(f"{path}: not a manifest of an encoder: {error}") from error
    if manifest.format != FORMAT:
        raise Incompatible(f"{path}: format {manifest.format}, this release reads {FORMAT}; train it again")
    return manifest


def _vectors(weights: bytes) -> NDArray[np.float16]:
    """Return the tracks' vectors where they lie in the file's bytes.

    The library's reader copies every tensor and holds the interpreter meanwhile: at a million tracks nobody would get a
    list for a third of a second.

    Source: safetensors' format: eight bytes that tell the length of a JSON header, the header, the tensors.
    """
    start = 8 + int.from_bytes(weights[:8], "little")
    described = json.loads(weights[8:start])[VECTORS]
    if described["dtype"] != "F16":
        raise ValueError(f"{VECTORS} is {described['dtype']}, not F16")
    first, end = described["data_offsets"]
    shape = described["shape"]
    return np.frombuffer(weights, "<f2", (end - first) // 2, start + first).reshape(shape)


def _checked(path: Path, manifest: Manifest) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: cannot read it ({error.strerror}); copy the whole folder again") from error
    digest, expected = hashlib.sha256(data).hexdigest(), manifest.sha256.get(path.name, "none")
    if digest != expected:
        raise Incompatible(f"{path}: sha256 {digest[:12]}… is not the manifest's {expected[:12]}…; copy it again")
    return data
