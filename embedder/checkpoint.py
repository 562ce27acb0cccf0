"""Weights written from torch and read back into it; `weights.py` says what lies on disk."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save

from embedder.features.geometry import FEATURE_VERSION
from embedder.network import TrackNetwork
from embedder.weights import Manifest, Weights, read_weights, shipped_weights

__all__ = ["Manifest", "load_weights", "network_of", "save_weights", "shipped_weights"]


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
    weights = read_weights(path)
    return network_of(weights).to(device), weights.manifest


def network_of(weights: Weights) -> TrackNetwork:
    """Return the network that holds these weights, on the CPU, in evaluation mode.

    Raises:
        Incompatible: they are those of another network.
    """
    network = TrackNetwork(weights.manifest.shape)
    try:
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()})
    except (RuntimeError, KeyError) as error:
        raise weights.misfit(error) from error
    network.eval()
    return network
