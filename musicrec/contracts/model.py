"""Which trained model the ranking workers load."""

from pathlib import PurePosixPath
from typing import Annotated, ClassVar

from pydantic import StringConstraints, field_validator

from musicrec.contracts.record import EpochMs, Id, Record, VersionedRecord, reject

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Folder = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class ModelFiles(Record):
    """A model's folder, and what has to be in it."""

    version: Id
    """Its manifest's; lists that it helped to make have it in their `model_version`."""
    manifest_sha256: Sha256
    """Of `manifest.json`, which has those of all other files."""
    folder: Folder
    """Below the directory of models that every worker sees: no absolute path, no `..`."""

    @field_validator("folder")
    @classmethod
    def _stays_below(cls, folder: str) -> str:
        parts = PurePosixPath(folder).parts
        if not parts or folder.startswith("/") or ".." in parts or "\\" in folder or not folder.isprintable():
            raise reject("folder", "folder: a path below the directory of models is needed, without '..'")
        return folder


class ModelAnnouncement(VersionedRecord):
    """A model to load from now on, on `musicrec.models.v1` (compacted), keyed by `name`; a tombstone withdraws it."""

    MAX_BYTES: ClassVar[int] = 16_384

    name: Id
    """What it is: `session_encoder`; also the message key."""
    files: ModelFiles
    """Where it lies."""
    announced_at_ms: EpochMs
    """When it was announced; announced anew, files that were refused before are tried again."""
