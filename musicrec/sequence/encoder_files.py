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
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from musicrec.errors import Incompatible
from musicrec.sequence.model import Model

FORMAT: Final = 1
WEIGHTS: Final = "encoder.safetensors"
GRAPH: Final = "encoder.onnx"
TRACKS: Final = "tracks.json"
MANIFEST: Final = "manifest.json"
VECTORS: Final = "tracks.vectors"


class Manifest(BaseModel):
    """What a folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: int
    """Of the folder."""
    model: Model
    """What mixes the places of a session."""
    dimension: int
    """Components of a vector."""
    scale: float
    """A candidate's logit is this times the cosine of its vector with the session's direction."""
    longest: int
    """Newest tracks of a session that are read."""
    tracks: int
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


def read_encoder(folder: Path) -> EncoderFiles:
    """Read and check an encoder.

    Raises:
        Incompatible: a file is missing, damaged, of another format, or does not fit the others.
    """
    manifest = _manifest(folder / MANIFEST)
    data = {name: _checked(folder / name, manifest) for name in (WEIGHTS, GRAPH, TRACKS)}
    try:
        vectors = load(data[WEIGHTS])[VECTORS]
        track_ids = json.loads(data[TRACKS])
    except (SafetensorError, KeyError, ValueError) as error:
        raise Incompatible(f"{folder}: not an encoder: {error}; train it again") from error
    shape = (manifest.tracks, manifest.dimension)
    if vectors.shape != shape or vectors.dtype != np.float16 or len(track_ids) != manifest.tracks:
        raise Incompatible(
            f"{folder}: {len(track_ids)} ids and vectors {vectors.dtype} {vectors.shape}, the manifest says float16 "
            f"{shape}; train it again"
        )
    return EncoderFiles(manifest, track_ids, vectors, data[GRAPH])


def _manifest(path: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Incompatible(
            f"{path}: cannot read it ({error.strerror}); name a folder that `musicrec train sequence` wrote"
        ) from error
    except ValidationError as error:
        raise Incompatible(f"{path}: not a manifest of an encoder: {error}") from error
    if manifest.format != FORMAT:
        raise Incompatible(f"{path}: format {manifest.format}, this release reads {FORMAT}; train it again")
    return manifest


def _checked(path: Path, manifest: Manifest) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Incompatible(f"{path}: cannot read it ({error.strerror}); copy the whole folder again") from error
    digest, expected = hashlib.sha256(data).hexdigest(), manifest.sha256.get(path.name, "none")
    if digest != expected:
        raise Incompatible(f"{path}: sha256 {digest[:12]}… is not the manifest's {expected[:12]}…; copy it again")
    return data
