"""Weights on disk: a safetensors file, and beside it a manifest that says what they are and what they fit."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from embedder.features.geometry import FEATURE_VERSION
from embedder.network import Architecture, NetworkShape, TrackNetwork
from musicrec.errors import Incompatible

SHIPPED = "light"
"""Name of the weights that come with the package."""


class Manifest(BaseModel):
    """What a weights file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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


def shipped_weights() -> Path:
    """Return the path of the weights that come with the package."""
    return Path(str(files("embedder") / "weights" / f"{SHIPPED}.safetensors"))


def save_weights(
    network: TrackNetwork,
    path: Path,
    *,
    classes: tuple[str, ...],
    training: Mapping[str, int | float | str],
    metrics: dict[str, float],
    adapted_from: str | None = None,
) -> Manifest:
    """Write `path` (safetensors, float16 where it is a weight of a convolution or a layer) and its manifest."""
    tensors = {name: _stored(tensor) for name, tensor in network.state_dict().items()}
    data = save(tensors)
    manifest = Manifest(
        **{k: v for k, v in asdict(network.shape).items() if k != "classes"},
        classes=classes,
        feature_version=FEATURE_VERSION,
        sha256=hashlib.sha256(data).hexdigest(),
        training=dict(training),
        metrics=metrics,
        adapted_from=adapted_from,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.with_suffix(".json").write_text(
        json.dumps(manifest.model_dump(exclude_none=True), indent=2) + "\n", encoding="utf-8"
    )
    return manifest


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor


def load_weights(path: Path, device: torch.device) -> tuple[TrackNetwork, Manifest]:
    """Read weights and their manifest, ready to embed.

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
    network = TrackNetwork(manifest.shape)
    try:
        state = {
            name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in load(data).items()
        }
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise Incompatible(f"{path}: does not fit a {manifest.architecture} network: {error}") from error
    return network.eval().to(device), manifest


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
