"""A catalogue of noise, in which each track has a tone of its own."""

import numpy as np

from embedder.features.descriptors import N_DESCRIPTORS
from embedder.training.catalogue import Catalogue


def invented_catalogue(tracks: int = 6) -> Catalogue:
    rng = np.random.default_rng(5)
    track_of = np.sort(np.concatenate([np.arange(tracks), np.arange(tracks), [0]]))
    tone = rng.standard_normal((tracks, N_DESCRIPTORS))
    return Catalogue(
        names=tuple(f"t{number}" for number in range(tracks)),
        images=rng.integers(0, 256, (len(track_of), 3, 256, 256), dtype=np.uint8),
        track_of=track_of,
        descriptors=tone.astype(np.float32),
        segment_descriptors=(tone[track_of] + 0.3 * rng.standard_normal((len(track_of), N_DESCRIPTORS))).astype("f"),
    )
