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
from musicrec.recommend.beginning import Beginning
from musicrec.recommend.fusion import Source
from musicrec.recommend.listener_company import COMPANY_FEATURES
from musicrec.recommend.listener_memory import SCORED_SOURCES
from musicrec.recommend.ranker import Ranker
from musicrec.recommend.ranking_features import (
    CONTEXT_FEATURES,
    ENCODER_FEATURES,
    FEATURES,
    PAST_FEATURES,
    PER_SCORED,
)
from musicrec.recommend.recommender import Recommender
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.skip_forecast import SkipForecast
from musicrec.recommend.skip_likeness import SKIP_FEATURES
from musicrec.recommend.state import State, joined
from musicrec.recommend.successions import OTHERS_FEATURES, OWN_FEATURES
from musicrec.sequence.encoder_files import Unreadable

FORMAT: Final = 2
WEIGHTS: Final = "ranker.safetensors"
MANIFEST: Final = "manifest.json"
PER_RANKED: Final = 2
FEATURES_BY_NAME: Final = {
    **{source.label: PER_SCORED if source < SCORED_SOURCES else PER_RANKED for source in Source},
    "past": PAST_FEATURES,
    "context": CONTEXT_FEATURES,
    "encoder": ENCODER_FEATURES,
    "own_successions": OWN_FEATURES,
    "others_successions": OTHERS_FEATURES,
    "company": COMPANY_FEATURES,
    "skip_likeness": SKIP_FEATURES,
}
"""What a network sees of a candidate, in the order of its inputs, and how many inputs tell it."""
TRIED: Final = 32
"""Invented candidates that a ranker has to score before it scores real ones."""


class RankerManifest(BaseModel):
    """What a folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    """Of the folder."""
    features: dict[str, int]
    """What the networks see of a candidate, in order, and how many inputs tell it, in the release that wrote it."""
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
        networks: for `Recommender.begin_with`.
        beginning: what lists and snapshots tell of it.
    """

    folder: Path
    manifest: RankerManifest
    networks: State
    beginning: Beginning

    @property
    def version(self) -> str:
        """Of the manifest."""
        return self.manifest.version

    def teach(self, recommender: Recommender) -> None:
        """Have a recommender begin with it.

        Raises:
            Incompatible: its networks have other shapes.
        """
        self.try_out(recommender.settings)
        recommender.begin_with(self.networks, self.beginning)

    def try_out(self, settings: RankingSettings) -> None:
        """Score invented candidates with it, so that nobody's list is the first.

        Raises:
            Incompatible: its networks have other shapes than these settings ask for, or their scores are no numbers.
        """
        ranker = Ranker(FEATURES, settings.ranker_hidden, settings.ranker_step)
        skips = SkipForecast(FEATURES, settings.skip_hidden, settings.skip_step)
        try:
            ranker.restore(self.networks.part("ranker"))
            skips.restore(self.networks.part("skips"))
        except Incompatible as error:
            raise Incompatible(f"{self.folder}: not a ranker for these settings: {error}; train it again") from error
        features = np.random.default_rng(TRIED).random((TRIED, FEATURES)).astype(np.float32)
        scores = np.zeros(TRIED)
        ranker.score(features, np.linspace(1.0, 0.1, TRIED), TRIED, scores)
        skips.lower(features, TRIED, 1.0, scores)
        if not np.isfinite(scores).all():
            raise Incompatible(f"{self.folder}: its scores are no numbers; train it again")


def write_ranker(folder: Path, recommender: Recommender, **described: object) -> RankerManifest:
    """Write what a recommender was taught.

    Args:
        folder: made where it is missing; what lies in it under the same names is replaced.
        recommender: whose lessons.
        described: events, learned_from_ms, learned_until_ms and metrics of the manifest.
    """
    weights = save(joined(recommender.networks_state()))
    manifest = RankerManifest.model_validate(
        {
            "format": FORMAT,
            "features": FEATURES_BY_NAME,
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


def is_ranker(folder: Path) -> bool:
    """Return whether the manifest of a folder is one of a ranker, of whatever format; False where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"lessons", "features"} <= manifest.keys()


def read_ranker(folder: Path, manifest_sha256: str | None = None, *, announced_at_ms: int = 0) -> TrainedRanker:
    """Read and check a ranker.

    Args:
        folder: what `write_ranker` wrote.
        manifest_sha256: of the manifest that was announced; whatever lies there where none is given.
        announced_at_ms: when it was, epoch milliseconds.

    Raises:
        Unreadable: a file is missing or cannot be read.
        Incompatible: a file is damaged, of another format, or not the one that was announced.
    """
    manifest = _manifest(folder / MANIFEST, manifest_sha256)
    path = folder / WEIGHTS
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise Incompatible(
            f"{path}: sha256 {digest[:12]}… is not the manifest's {manifest.sha256[:12]}…; copy it again"
        )
    beginning = Beginning(manifest.version, manifest_sha256 or "", announced_at_ms)
    return TrainedRanker(folder, manifest, State(_arrays(path, data)), beginning)


def _arrays(path: Path, data: bytes) -> Mapping[str, NDArray[np.generic]]:
    try:
        arrays: Mapping[str, NDArray[np.generic]] = load(data)
    except SafetensorError as error:
        raise Incompatible(f"{path}: not safetensors: {error}; train it again") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise Incompatible(f"{path}: {name} holds what is not a number; train it again")
    return arrays


def _manifest(path: Path, expected: str | None) -> RankerManifest:
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if expected is not None and digest != expected:
        raise Incompatible(f"{path}: sha256 {digest[:12]}… is not the announced {expected[:12]}…; copy it again")
    try:
        found = json.loads(data)
        written = found.get("format", FORMAT) if isinstance(found, dict) else FORMAT
        if written != FORMAT:  # its fields may be others
            raise Incompatible(f"{path}: format {written}, this release reads {FORMAT}; train it again")
        manifest = RankerManifest.model_validate(found)
    except (ValueError, ValidationError) as error:
        raise Incompatible(f"{path}: not a manifest of a ranker: {error}") from error
    if list(manifest.features.items()) != list(FEATURES_BY_NAME.items()):
        raise Incompatible(f"{path}: {_other_features(manifest.features)}; train it again")
    return manifest


def _other_features(seen: Mapping[str, int]) -> str:
    theirs, ours = ({*features.items()} for features in (seen, FEATURES_BY_NAME))
    differing = ", ".join(sorted({name for name, _ in theirs ^ ours})) or "their order"
    return f"it sees other features of a candidate than this release; they differ in {differing}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(
            f"{path}: cannot read it ({error.strerror}); name a folder that `musicrec train ranker` wrote"
        ) from error
