"""Audio networks and clips small enough to be made in a test."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from musicrec.contracts import Track

RATE_HZ = 22_050


def untrained_weights(path: Path, seed: int) -> str:
    """Write the weights of a network that has learned nothing; return its model version."""
    import torch

    from embedder.checkpoint import save_weights
    from embedder.network import TrackNetwork
    from embedder.network_shape import NetworkShape

    torch.manual_seed(seed)
    network = TrackNetwork(NetworkShape("light", 3, 16, 8))
    manifest = save_weights(network, path, classes=("a", "b", "c"), training={"seed": seed}, metrics={})
    return manifest.model_version


def noises(folder: Path, names: Iterable[str], *, seconds: int = 2) -> list[Track]:
    """Write a piece of noise per name, each another; return the tracks."""
    tracks = []
    for name in names:
        generator = np.random.default_rng(list(name.encode()))
        soundfile.write(folder / f"{name}.flac", generator.uniform(-0.5, 0.5, seconds * RATE_HZ), RATE_HZ)
        tracks.append(Track(track_id=name, audio_uri=(folder / f"{name}.flac").as_uri()))
    return tracks
