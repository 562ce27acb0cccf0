"""Weights on disk: a safetensors file, and beside it a manifest that says what they are and what they fit."""

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from embedder.features.geometry import FEATURE_VERSION
from embedder.network_shape import Architecture, NetworkShape
from musicrec.errors import Incompatible

SHIPPED = "light"
"""Name of the weights that come with the package."""

Tensors = dict[str, NDArray[Any]]
"""Weights by the name that they have in `TrackNetwork`; float32 wherever they are not whole numbers."""


class Manifest(BaseModel):
    """What a weights file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    classes: tuple[str, ...]
    """Names of the network's classes, in the order of its outputs."""
    learned: int
    """Components of the vector from the images."""
    described: int
    """Components of the vector from the descriptors."""
    feature_version: str
    """Constants of the features that the network was trained on."""
    sha256: str
    """Of the safetensors file."""
    training: dict[str, int | float | str]
    """Settings that make these weights again."""
    metrics: dict[str, float]
    """Measured on synthesised styles that training did not hear; empty for adapted weights."""
    adapted_from: str | None = None
    """Model version of the weights that these were adapted from, to a user's own catalogue; None for none."""

    @property
    def shape(self) -> NetworkShape:
        """Return the shape of the network."""
        return NetworkShape(self.architecture, len(self.classes), self.learned, self.described)

    @property
    def model_version(self) -> str:
        """Return a name that differs wherever vectors may differ: architecture, weights, features."""
        identity = hashlib.sha256(f"{self.sha256}{self.feature_version}".encode()).hexdigest()
        return f"audio-{self.architecture}-{identity[:12]}"


class Weights(NamedTuple):
    """A file of weights that was read and checked against its manifest."""

    path: Path
    tensors: Tensors
    manifest: Manifest

    def misfit(self, error: Exception) -> Incompatible:
        """Return the error of weights that are not those of the network that their manifest names."""
        return Incompatible(f"{self.path}: does not fit a {self.manifest.architecture} network: {error}")


def shipped_weights() -> Path:
    """Return the path of the weights that come with the package."""
    return Path(str(files("embedder") / "weights" / f"{SHIPPED}.safetensors"))


def read_weights(path: Path) -> Weights:
    """Read weights and their manifest.

    Raises:
        Incompatible: a file is missing or damaged, or the weights are for other features or another network.
    """
    manifest = _read_manifest(path.with_suffix(".json"))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Incompatible(f"{path}: cannot read the weights ({error.strerror}); name a .safetensors file") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != manifest.sha256:
        raise Incompatible(
            f"{path}: sha256 {digest[:12]}… is not the manifest's {manifest.sha256[:12]}…; copy it again"
        )
    if manifest.feature_version != FEATURE_VERSION:
        raise Incompatible(
            f"{path}: trained on features {manifest.feature_version!r}, this release makes {FEATURE_VERSION!r}; "
            "train again with `musicrec train audio`"
        )
    try:
        tensors = {name: _in_memory(tensor) for name, tensor in load(data).items()}
    except SafetensorError as error:
        raise Incompatible(f"{path}: not a safetensors file: {error}") from error
    weights = Weights(path, tensors, manifest)
    _check_shape(weights)
    return weights


def _check_shape(weights: Weights) -> None:
    shape = weights.manifest.shape
    for name, rows in (
        ("segments.embed.weight", shape.learned),
        ("segments.classify.weight", shape.classes),
        ("descriptor_map", shape.described),
    ):
        found = weights.tensors.get(name, np.empty(0)).shape
        if not found or found[0] != rows:
            raise weights.misfit(ValueError(f"{name} has shape {found}; the manifest says {rows} rows"))


def _in_memory(tensor: NDArray[Any]) -> NDArray[Any]:
    return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor


def _read_manifest(path: Path) -> Manifest:
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Manifest.model_validate(fields)
    except OSError as error:
        raise Incompatible(
            f"{path}: cannot read the manifest ({error.strerror}); it lies beside the weights"
        ) from error
    except (ValueError, ValidationError) as error:
        raise Incompatible(f"{path}: not a manifest of weights: {error}") from error
