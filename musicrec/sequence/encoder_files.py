"""A trained encoder on disk: weights, the ids of its tracks and artists, and a manifest that says what it is.

encoder.safetensors  `network.*`, float32, as `SequenceNetwork` names them; `tracks.vectors` and `artists.vectors`,
                     float16, shape (rows, dimension), unit length; `audio.*`, where sounds were known, see `placing.py`
tracks.json          ids in the order of the tracks' vectors
artists.json         ids in the order of the artists' vectors
manifest.json        the rest; written last, so that a folder with one is whole
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musicrec.errors import Incompatible
from musicrec.sequence.model import Model

FORMAT: Final = 2
WEIGHTS: Final = "encoder.safetensors"
TRACKS: Final = "tracks.json"
ARTISTS: Final = "artists.json"
MANIFEST: Final = "manifest.json"
VECTORS: Final = "tracks.vectors"
ARTIST_VECTORS: Final = "artists.vectors"
NETWORK: Final = "network."
AUDIO: Final = "audio."
DTYPES: Final = {"F16": "<f2", "F32": "<f4"}
"""Of tensors, as safetensors and NumPy name them."""


class Unreadable(Incompatible):
    """A file is not there, or cannot be read now: what is still being copied may come."""


class Manifest(BaseModel):
    """What a folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    artists: Annotated[int, Field(ge=0)]
    """How many it knows; by them it places tracks that it does not know."""
    sound_version: str | None = None
    """Of the embedder whose vectors `audio.*` reads; None where no sounds were known."""
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
        artist_ids: by row.
        artist_vectors: float16, shape (artists, dimension), unit length.
        network: float32 weights by their names in `SequenceNetwork.state_dict`.
        audio: float32 maps from sounds, by name; see `placing.py`.
    """

    manifest: Manifest
    track_ids: list[str]
    vectors: NDArray[np.float16]
    artist_ids: list[str]
    artist_vectors: NDArray[np.float16]
    network: dict[str, NDArray[np.float32]]
    audio: dict[str, NDArray[np.float32]]


def write_encoder(folder: Path, files: Mapping[str, bytes], **described: object) -> Manifest:
    """Write the files of an encoder and, last, their manifest.

    Args:
        folder: made where it is missing; what lies in it under the same names is replaced.
        files: contents by name: WEIGHTS, TRACKS and ARTISTS.
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
    data = {name: _checked(folder / name, manifest) for name in (WEIGHTS, TRACKS, ARTISTS)}
    try:
        tensors = _tensors(data[WEIGHTS])
        rows = {
            name: _rows(tensors[vectors], json.loads(data[name]), (count, manifest.dimension))
            for name, vectors, count in (
                (TRACKS, VECTORS, manifest.tracks),
                (ARTISTS, ARTIST_VECTORS, manifest.artists),
            )
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Incompatible(f"{folder}: not an encoder: {error}; train it again") from error
    return EncoderFiles(
        manifest, *rows[TRACKS], *rows[ARTISTS], network=_part(tensors, NETWORK), audio=_part(tensors, AUDIO)
    )


def _rows(vectors: Any, ids: Any, shape: tuple[int, int]) -> tuple[list[str], NDArray[np.float16]]:
    """Check that ids and vectors belong together.

    Raises:
        ValueError: they do not.
    """
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise ValueError("not a list of ids")
    if vectors.shape != shape or vectors.dtype != np.float16 or len(ids) != shape[0]:
        raise ValueError(
            f"{len(ids)} ids and vectors {vectors.dtype} {vectors.shape}, the manifest says float16 {shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("vectors that are not finite")
    return ids, vectors


def _part(tensors: Mapping[str, Any], prefix: str) -> dict[str, NDArray[np.float32]]:
    """Return the tensors whose names begin so, by the rest of the name, float32.

    Copies: what lies in the file's bytes would keep all of them in memory, the vectors of a million tracks with it.
    """
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return {name: tensor.astype(np.float32) for name, tensor in found.items()}


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
        found = json.loads(data)
        written = found.get("format", FORMAT) if isinstance(found, dict) else FORMAT
        if written != FORMAT:  # its fields may be others
            raise Incompatible(f"{path}: format {written}, this release reads {FORMAT}; train it again")
        return Manifest.model_validate(found)
    except (ValueError, ValidationError) as error:
        raise Incompatible(f"{path}: not a manifest of an encoder: {error}") from error


def _tensors(weights: bytes) -> dict[str, NDArray[np.floating]]:
    """Return the tensors of a file where they lie in its bytes.

    The library's reader copies every tensor and holds the interpreter meanwhile: at a million tracks nobody would get a
    list for a third of a second.

    Source: safetensors' format: eight bytes that tell the length of a JSON header, the header, the tensors.
    """
    start = 8 + int.from_bytes(weights[:8], "little")
    tensors = {}
    for name, described in json.loads(weights[8:start]).items():
        if name == "__metadata__":
            continue
        if described["dtype"] not in DTYPES:
            raise ValueError(f"{name} is {described['dtype']}, not {' or '.join(DTYPES)}")
        dtype = np.dtype(DTYPES[described["dtype"]])
        first, end = described["data_offsets"]
        flat = np.frombuffer(weights, dtype, (end - first) // dtype.itemsize, start + first)
        tensors[name] = flat.reshape(described["shape"])
    return tensors


def _checked(path: Path, manifest: Manifest) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: cannot read it ({error.strerror}); copy the whole folder again") from error
    digest, expected = hashlib.sha256(data).hexdigest(), manifest.sha256.get(path.name, "none")
    if digest != expected:
        raise Incompatible(f"{path}: sha256 {digest[:12]}… is not the manifest's {expected[:12]}…; copy it again")
    return data
