"""Which trained model the ranking workers load."""

import re
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from musicrec.contracts.record import VARIANT_NAME, EpochMs, Id, Record, Score, Sha256, VersionedRecord, reject

FOLDER_BELOW: Final = r"^(?!/)(?!(?:.*/)?\.\.(?:/|$))(?!(?:\.(?:/+|$))+$)[^\x00-\x1f\x7f\\]+$"
"""A relative path without `..`, of more than dots, without control characters and back-slashes."""
VARIANT_PREFIX: Final = "variant/"
DEFAULT_VARIANT: Final = "default"
"""What the ranking without a variant is called where a name is needed."""
MAX_SETTINGS: Final = 100

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
        if not re.fullmatch(FOLDER_BELOW, folder):
            raise reject("folder", "folder: a path below the directory of models is needed, without '..'")
        return folder


class RankingSetting(Record):
    """One number that the ranking depends on."""

    name: Id
    """As `RankingSettings` has it."""
    value: Score
    """Its value; 0 and 1 stand for false and true."""


class RankingVariant(Record):
    """A second way to rank, for a share of the listeners or for nobody, beside the one that the workers are set to."""

    settings: Annotated[tuple[RankingSetting, ...], Field(max_length=MAX_SETTINGS)] = ()
    """Settings of the ranking in which it differs."""
    uses_encoder: bool = True
    """Whether the session encoder is one of its sources."""
    experiment: Id = "default"
    """Salt of the hash by which listeners are shared out."""
    start: Annotated[float, Field(ge=0, le=1)] = 0.0
    """It answers listeners whose hash, from 0 to 1, lies here or above."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """And below `start + share`; 0 for a shadow."""
    shadow: bool = False
    """Its lists are made and not shown: they go to `musicrec.shadow-recommendations.v1`."""

    @model_validator(mode="after")
    def _answers_somebody_or_nobody(self) -> Self:
        if self.shadow == (self.share > 0):
            raise reject("share", "share: above 0, or the variant is a shadow and has none")
        return self


class ModelAnnouncement(VersionedRecord):
    """A model or a variant to use from now on, on `musicrec.models.v1` (compacted); a tombstone withdraws it."""

    MAX_BYTES: ClassVar[int] = 16_384

    name: Id
    """What it is: `session_encoder`, `ranker`, or `variant/NAME`; also the message key."""
    files: ModelFiles | None = None
    """Where a model lies."""
    variant: RankingVariant | None = None
    """What a variant is."""
    announced_at_ms: EpochMs
    """When it was announced; announced anew, files that were refused before are tried again, and a ranker is begun with
    again. What was played before teaches the ranker before it."""

    @model_validator(mode="after")
    def _is_a_model_or_a_variant(self) -> Self:
        if (self.files is None) == (self.variant is None):
            raise reject("files", "files: a model has them, a variant has none")
        if self.name.startswith(VARIANT_PREFIX) != (self.variant is not None):
            raise reject("variant", f"variant: names that begin with {VARIANT_PREFIX} have one, no others")
        name = self.name.removeprefix(VARIANT_PREFIX)
        if self.variant is not None and (name == DEFAULT_VARIANT or not re.fullmatch(VARIANT_NAME, name)):
            raise reject("name", f"name: {VARIANT_PREFIX} and up to 32 of a-z, 0-9, - and _, not {DEFAULT_VARIANT}")
        return self
