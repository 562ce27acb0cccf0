"""What lessons taught a ranking, on disk: the networks' weights, and a manifest that says what they learned from.

ranker.safetensors  arrays by name, with what the optimisers know: it goes on learning where it stopped
manifest.json       the rest; written last, so that a folder with one is whole
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
from safetensors import SafetensorError
from safetensors.numpy import load, save

from musicrec.errors import Incompatible
from musicrec.recommend.ranking_features import FEATURES
from musicrec.recommend.recommender import Recommender
from musicrec.recommend.state import State, joined

FORMAT: Final = 1
WEIGHTS: Final = "ranker.safetensors"
MANIFEST: Final = "manifest.json"


class RankerManifest(BaseModel):
    """What a folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: int
    """Of the folder."""
    features: int
    """Of a candidate, in the release that wrote it."""
    settings: str
    """Name of the configuration under which it learned."""
    lessons: Annotated[int, Field(ge=0)]
    """Plays that it learned from."""
    events: Annotated[int, Field(ge=0)]
    """Events of the log."""
    learned_from_ms: int
    """Event time of the first, epoch milliseconds."""
    learned_until_ms: int
    """Event time of the last."""
    metrics: dict[str, float]
    """Of the last events, each guessed before it was learned."""
    sha256: str
    """Of the weights."""

    @property
    def version(self) -> str:
        """Return a name that differs wherever lists may differ."""
        return f"ranker-{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """What was read.

    Attributes:
        folder: it was read from.
        manifest: what it is.
        state: for `Recommender.restore_taught`.
    """

    folder: Path
    manifest: RankerManifest
    state: State

    def teach(self, recommender: Recommender) -> None:
        """Have a recommender begin with it.

        Raises:
            Incompatible: its networks have other shapes.
        """
        try:
            recommender.restore_taught(self.state)
        except Incompatible as error:
            raise Incompatible(f"{self.folder}: not a ranker for these settings: {error}; train it again") from error


def write_ranker(folder: Path, recommender: Recommender, **described: object) -> RankerManifest:
    """Write what a recommender was taught.

    Args:
        folder: made where it is missing; what lies in it under the same names is replaced.
        recommender: whose lessons.
        described: events, learned_from_ms, learned_until_ms and metrics of the manifest.
    """
    weights = save(joined(recommender.taught_state()))
    manifest = RankerManifest.model_validate(
        {
            "format": FORMAT,
            "features": FEATURES,
            "settings": recommender.settings.version(),
            "lessons": recommender.ranker.lessons,
            "sha256": hashlib.sha256(weights).hexdigest(),
            **described,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(), indent=2) + "\n", encoding="utf-8")
    return manifest


def read_ranker(folder: Path) -> TrainedRanker:
    """Read and check a ranker.

    Raises:
        Incompatible: a file is missing, damaged, of another format, or this installation cannot read it.
    """
    manifest = _manifest(folder / MANIFEST)
    path = folder / WEIGHTS
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise Incompatible(
            f"{path}: sha256 {digest[:12]}… is not the manifest's {manifest.sha256[:12]}…; copy it again"
        )
    return TrainedRanker(folder, manifest, State(_arrays(path, data)))


def _arrays(path: Path, data: bytes) -> Mapping[str, NDArray[np.generic]]:
    try:
        arrays: Mapping[str, NDArray[np.generic]] = load(data)
    except SafetensorError as error:
        raise Incompatible(f"{path}: not safetensors: {error}; train it again") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise Incompatible(f"{path}: {name} holds what is not a number; train it again")
    return arrays


def _manifest(path: Path) -> RankerManifest:
    try:
        manifest = RankerManifest.model_validate_json(_bytes(path))
    except ValidationError as error:
        raise Incompatible(f"{path}: not a manifest of a ranker: {error}") from error
    if manifest.format != FORMAT:
        raise Incompatible(f"{path}: format {manifest.format}, this release reads {FORMAT}; train it again")
    if manifest.features != FEATURES:
        raise Incompatible(
            f"{path}: it sees {manifest.features} features of a candidate, this release has {FEATURES}; train it again"
        )
    return manifest


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Incompatible(
            f"{path}: cannot read it ({error.strerror}); name a folder that `musicrec train ranker` wrote"
        ) from error
