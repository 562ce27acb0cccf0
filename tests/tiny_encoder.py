"""Session encoders small enough to be trained in a test."""

import json
from pathlib import Path

from safetensors.numpy import load, save

from musicrec.sequence.encoder_files import ARTISTS, MANIFEST, TRACKS, VECTORS, WEIGHTS, Manifest, write_encoder
from musicrec.sequence.export import export
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.trainer import TrainingSettings, train
from musicrec.sequence.training_sessions import TrainingSessions


def trained(folder: Path, tracks: list[str]) -> Manifest:
    """Train an encoder that knows these tracks, on what was played long ago."""
    training = TrainingSessions.of([HeardSession.plain(tracks)] * 20)
    settings = TrainingSettings(dimension=16, epochs=1, negatives=16)
    made = train(training, None, settings, folder.parent / "work", lambda report: None)
    return export(made, training, settings, folder, trained_until_ms=0, metrics={})


def turned(encoder: Path, folder: Path) -> Manifest:
    """Write the same encoder with its tracks in reverse: another one, without another training."""
    tensors, tracks = load((encoder / WEIGHTS).read_bytes()), json.loads((encoder / TRACKS).read_text())
    tensors[VECTORS] = tensors[VECTORS][::-1].copy()
    files = {
        WEIGHTS: save(tensors),
        ARTISTS: (encoder / ARTISTS).read_bytes(),
        TRACKS: json.dumps(tracks[::-1]).encode(),
    }
    described = json.loads((encoder / MANIFEST).read_text())
    return write_encoder(folder, files, **{k: v for k, v in described.items() if k not in ("format", "sha256")})
