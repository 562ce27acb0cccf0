"""What the parts of the audio vectors are worth: left out of the shipped ones, or of networks trained small for it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from embedder.audio_file import read_mono
from embedder.encoder import AudioEncoder
from embedder.features.descriptors import BLOCKS, COEFFICIENTS
from embedder.features.geometry import SEGMENT_HOP, SEGMENT_SAMPLES
from embedder.kept_arrays import Arrays, KeptArrays
from embedder.network import TrackNetwork
from embedder.network_shape import Architecture, NetworkShape
from embedder.synthesis import FAMILY_NAMES
from embedder.training.catalogue import Catalogue
from embedder.training.channels import ALL
from embedder.training.corpus import CorpusPlan, build_corpus
from embedder.training.placing import place_tracks
from embedder.training.trainer import DESCRIBED, LEARNED, EpochReport, TrainingSettings, measure, train
from musicrec.evaluation.audio import precision_at_k, standardise

LEFT_OUT: Final[Mapping[str, tuple[str, ...]]] = {
    "notes": ("harmony",),
    "rhythm": ("rhythm",),
    "movement of the level": ("modulation",),
    "harmonic and percussive part": ("harmonic_timbre", "percussive_timbre", "percussive_share"),
    "spectral contrast": ("contrast",),
    "timbre of the mix": ("timbre_mean", "timbre_deviation", "timbre_change", "timbre_correlation"),
}
"""What is left out of the descriptors, and the blocks that hold it."""
HEARD_SEGMENTS: Final = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Variant:
    """A network that is trained small."""

    architecture: Architecture
    channels: str = ALL

    @property
    def name(self) -> str:
        """What a table calls it."""
        return f"{self.architecture}, {self.channels.replace('+', ' + ')}"


VARIANTS: Final = (
    Variant("light"),
    Variant("light", "mix"),
    Variant("light", "harmonic"),
    Variant("light", "percussive"),
    Variant("light", "harmonic+percussive"),
    Variant("transformer"),
    Variant("alexnet"),
)


@dataclass(frozen=True, slots=True)
class TrainingSize:
    """How small: a fraction of what the shipped weights saw."""

    styles: int
    tracks: int
    held_out: int
    epochs: int
    styles_per_batch: int
    seed: int = 1


def without_parts(
    network: TrackNetwork, descriptors: NDArray[np.float32], vectors: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return vectors of each part alone, and with what `LEFT_OUT` names held at its mean.

    Args:
        network: that made the vectors.
        descriptors: (clips, N_DESCRIPTORS)
        vectors: (clips, dimension)
    """
    with torch.no_grad():
        standard = network.standardise(torch.from_numpy(descriptors))
        learned = functional.normalize(torch.from_numpy(vectors[:, : network.shape.learned]), dim=-1)
        described = functional.normalize(standard @ network.descriptor_map.T, dim=-1)
        found = {"learned part alone": learned.numpy(), "descriptors' part alone": described.numpy()}
        for name, blocks in LEFT_OUT.items():
            kept = standard.clone()
            kept[:, _columns(blocks)] = 0.0
            rest = functional.normalize(kept @ network.descriptor_map.T, dim=-1)
            found[f"descriptors without {name}"] = network.combine(learned, rest).numpy()
    return found


def _columns(blocks: Iterable[str]) -> NDArray[np.int64]:
    ends = np.cumsum(list(BLOCKS.values()))
    place = dict(zip(BLOCKS, zip(ends - list(BLOCKS.values()), ends, strict=True), strict=True))
    return np.concatenate([np.arange(*place[block]) for block in blocks])


def cepstra(descriptors: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
    """Return mean cepstra, 20 coefficients and standardised, of the mix, of its parts, and of some together."""
    mix = _columns(("timbre_mean",))[:COEFFICIENTS]
    harmonic, percussive = _columns(("harmonic_timbre",)), _columns(("percussive_timbre",))
    together = {
        "mix": (mix,),
        "harmonic": (harmonic,),
        "percussive": (percussive,),
        "harmonic + percussive": (harmonic, percussive),
        "mix + harmonic + percussive": (mix, harmonic, percussive),
    }
    return {f"cepstrum of {name}": standardise(descriptors[:, np.concatenate(c)]) for name, c in together.items()}


def heard_briefly(paths: Iterable[Path], encoder: AudioEncoder, segments: int, work: Path) -> NDArray[np.float32]:
    """Return vectors of so many segments from the middle of each clip."""
    kept = KeptArrays(work / "excerpts", f"{encoder.model_version}-{segments}")
    return np.stack([kept.of(path, partial(_embedded_middle, path, encoder, segments))["vector"] for path in paths])


def _embedded_middle(path: Path, encoder: AudioEncoder, segments: int) -> Arrays:
    pcm = read_mono(path)
    samples = SEGMENT_SAMPLES + (segments - 1) * SEGMENT_HOP
    start = max(0, pcm.size - samples) // 2
    return {"vector": encoder.embed([pcm[start : start + samples]])[0].vector}


def trained_small(
    variant: Variant,
    size: TrainingSize,
    catalogue: Catalogue,
    labels: list[str],
    work: Path,
    on_epoch: Callable[[EpochReport], None],
) -> dict[str, float]:
    """Return what a variant comes to, of an earlier run where there was one.

    Returns:
        `precision@5` of the clips by the learned part, `precision@5_vector` with the descriptors, and
        `style_precision@1` of synthesised styles that were not learned, by the learned part.
    """
    identity = {**asdict(variant), **asdict(size), "clips": list(zip(catalogue.names, labels, strict=True))}
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    result = work / "variants" / f"{name}.json"
    if result.exists():
        found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
        return found
    settings = TrainingSettings(
        seed=size.seed, epochs=size.epochs, styles_per_batch=size.styles_per_batch, channels=variant.channels
    )
    shape = NetworkShape(variant.architecture, len(FAMILY_NAMES), LEARNED, DESCRIBED)
    corpus = build_corpus(CorpusPlan(size.seed, size.styles, size.tracks), work, lambda done, files: None)
    unheard = build_corpus(CorpusPlan(size.seed + 500_000, size.held_out, 4), work, lambda done, files: None)
    network = train(corpus, shape, settings, work / "variants" / name, on_epoch)
    vectors = place_tracks(network, catalogue)
    figures = {
        "precision@5": precision_at_k(vectors[:, :LEARNED], labels),
        "precision@5_vector": precision_at_k(vectors, labels),
        "style_precision@1": measure(network, unheard)["style_precision@1_learned"],
        "parameters": float(sum(each.numel() for each in network.segments.parameters())),
    }
    result.write_text(json.dumps(figures), encoding="utf-8")
    return figures
