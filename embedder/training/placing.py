"""Where a network places the tracks of a catalogue, step by step."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedder.network import TrackNetwork
from embedder.training.catalogue import Catalogue

_SEGMENTS_AT_ONCE = 40


def heard_segments(network: TrackNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the last layer reads of each segment, (segments, components)."""
    network.eval()
    heard = []
    with torch.no_grad():
        for first in range(0, len(images), _SEGMENTS_AT_ONCE):
            part = torch.from_numpy(images[first : first + _SEGMENTS_AT_ONCE]).float().div_(255)
            heard.append(network.segments.heard(part.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(heard)


def place_tracks(
    network: TrackNetwork, catalogue: Catalogue, heard: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the vectors of the tracks of a catalogue, (tracks, dimension), as the encoder places them.

    Args:
        network: that places them.
        catalogue: the tracks.
        heard: of `heard_segments`, where it is known.
    """
    if heard is None:
        heard = heard_segments(network, catalogue.images)
    with torch.no_grad():
        embedding = network.segments.embed(torch.from_numpy(heard))
        per_track = embedding.split(np.bincount(catalogue.track_of).tolist())
        learned = torch.stack([network.place_learned(segments) for segments in per_track])
        described = network.place_described(torch.from_numpy(catalogue.descriptors))
        vectors: NDArray[np.float32] = network.combine(learned, described).numpy()
    return vectors


def mean_of_tracks(segments: Tensor, catalogue: Catalogue) -> Tensor:
    """Return the mean of what is said of each track's segments, (tracks, components)."""
    tracks = torch.from_numpy(catalogue.track_of)
    sums = torch.zeros((len(catalogue.names), segments.shape[1]), dtype=segments.dtype).index_add_(0, tracks, segments)
    return sums / torch.bincount(tracks)[:, None]
