"""What the embedder found in a track's audio."""

import base64
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from musicrec.contracts.record import DurationMs, EpochMs, Id, Record, Score, Sha256, VersionedRecord, reject


class Genre(Record):
    """One class of the recognition network and its probability."""

    name: Id
    """Name of the class."""
    probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    """Mean over the track's segments, or that of one segment."""


class Segment(Record):
    """What one of the segments that were heard sounds like; they lie evenly over the excerpt."""

    genres: Annotated[tuple[Genre, ...], Field(max_length=64)] = ()
    """Its most probable classes, best first."""


class TrackEmbedding(VersionedRecord):
    """A track's vector, on `musicrec.track-embeddings.v1` (compacted), keyed by `track_id`; a tombstone removes it."""

    MAX_BYTES: ClassVar[int] = 65_536

    track_id: Id
    """The track; also the message key."""
    model_version: Id
    """Network and feature version. Vectors of different versions never share an index."""
    dimension: Annotated[int, Field(ge=1, le=4096)]
    """Number of components."""
    vector_f16: Annotated[str, Field(min_length=4, max_length=16_384)]
    """Little-endian float16 components, base64; unit Euclidean length."""
    genres: Annotated[tuple[Genre, ...], Field(max_length=64)] = ()
    """The most probable classes, best first."""
    segments: Annotated[tuple[Segment, ...], Field(max_length=64)] | None = None
    """Each segment for itself, in the order of the track: an intro, a verse, a break. Absent for silence."""
    spread: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """How unlike each other the segments are: 1 minus the length of the mean of their unit vectors; 0 is one sound."""
    tempo_bpm: Score | None = None
    """Beats per minute."""
    key_profile: Annotated[tuple[Score, ...], Field(max_length=12)] = ()
    """Energy of the twelve pitch classes from C, summing to 1."""
    duration_ms: DurationMs | None = None
    """Length of the decoded audio in milliseconds."""
    embedded_at_ms: EpochMs
    """When the embedder finished."""
    audio_sha256: Sha256 | None = None
    """SHA-256 of the audio file's bytes, hexadecimal; absent in records of older releases."""

    @model_validator(mode="after")
    def _holds_a_vector(self) -> Self:
        try:
            raw = base64.b64decode(self.vector_f16, validate=True)
        except ValueError:  # also what is raised for letters that are not ASCII
            raise reject("vector_f16", "vector_f16: not base64") from None
        if len(raw) != 2 * self.dimension:
            raise reject("vector_f16", f"vector_f16: {len(raw)} bytes; dimension {self.dimension} needs twice as many")
        vector = np.frombuffer(raw, "<f2").astype(np.float32)
        if not np.isfinite(vector).all() or not 0.9 < float(np.linalg.norm(vector)) < 1.1:
            raise reject("vector_f16", "vector_f16: not a finite vector of unit length")
        return self

    def vector(self) -> npt.NDArray[np.float32]:
        """Return the vector, shape (dimension,), float32."""
        return np.frombuffer(base64.b64decode(self.vector_f16), "<f2").astype(np.float32)

    @staticmethod
    def pack(vector: npt.NDArray[np.float32]) -> str:
        """Return the `vector_f16` field of a unit vector of shape (dimension,)."""
        return base64.b64encode(np.ascontiguousarray(vector, "<f2").tobytes()).decode()


class EmbeddingHead(VersionedRecord):
    """An embedding without its vector, for whoever only counts: parsed in a fraction of the time."""

    MAX_BYTES: ClassVar[int] = TrackEmbedding.MAX_BYTES

    track_id: Id
    """The track."""
    model_version: Id
    """Network and feature version."""
    embedded_at_ms: EpochMs
    """When the embedder finished."""
