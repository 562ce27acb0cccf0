"""From a trained network to the files that serve it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from musicrec.sequence.encoder_files import (
    ARTIST_VECTORS,
    ARTISTS,
    AUDIO,
    NETWORK,
    TRACKS,
    VECTORS,
    WEIGHTS,
    Manifest,
    write_encoder,
)
from musicrec.sequence.placing import artist_vectors, numbered_artists, sound_maps
from musicrec.sequence.trainer import Trained, TrainingSettings
from musicrec.sequence.training_sessions import LONGEST, TrainingSessions


@dataclass(frozen=True, slots=True)
class KnownOfTracks:
    """What is known of tracks beside who played them; by it others are placed.

    Attributes:
        artist_of: artist by track id.
        sounds: by track id, float32, unit length.
        sound_version: of the embedder that made them.
    """

    artist_of: Mapping[str, str] = field(default_factory=dict)
    sounds: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    sound_version: str | None = None


def export(
    trained: Trained,
    training: TrainingSessions,
    settings: TrainingSettings,
    folder: Path,
    *,
    known: KnownOfTracks | None = None,
    trained_until_ms: int,
    metrics: Mapping[str, float],
) -> Manifest:
    """Write a trained encoder.

    Args:
        trained: the network and its tracks.
        training: what it was trained on.
        settings: how.
        folder: where to.
        known: artists and sounds of tracks, where they are known.
        trained_until_ms: event time of the newest play in `training`, epoch milliseconds.
        metrics: on held-out sessions.
    """
    known = known or KnownOfTracks()
    vectors, plays = trained.unit_vectors.numpy(), training.plays
    artist_ids, artist_of = numbered_artists(trained.track_ids, known.artist_of)
    sounds = {row: known.sounds[track] for row, track in enumerate(trained.track_ids) if track in known.sounds}
    tensors = {f"{NETWORK}{name}": tensor.numpy() for name, tensor in trained.network.state_dict().items()}
    tensors |= {f"{AUDIO}{name}": each for name, each in sound_maps(vectors, artist_of, plays, sounds).items()}
    tensors[VECTORS] = vectors.astype(np.float16)
    tensors[ARTIST_VECTORS] = artist_vectors(vectors, artist_of, plays, len(artist_ids)).astype(np.float16)
    files = {
        WEIGHTS: save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}),
        TRACKS: json.dumps(list(trained.track_ids), ensure_ascii=False).encode(),
        ARTISTS: json.dumps(artist_ids, ensure_ascii=False).encode(),
    }
    return write_encoder(
        folder,
        files,
        model=settings.model,
        dimension=settings.dimension,
        scale=float(trained.network.log_scale.detach().exp()),
        longest=LONGEST,
        tracks=len(trained.track_ids),
        artists=len(artist_ids),
        sound_version=known.sound_version if sounds else None,
        sessions=len(training.sessions),
        trained_until_ms=trained_until_ms,
        training=asdict(settings),
        metrics=dict(metrics),
    )
