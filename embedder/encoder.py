"""From samples to a vector: what the embedder service calls."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from embedder.allocation import keep_freed_memory
from embedder.audio_embedding import AudioEmbedding
from embedder.features.analysis import MeasureLevels, TrackFeatures, analyse
from embedder.features.levels import levels
from embedder.network_shape import Precision
from embedder.placing import TrackPlacing
from embedder.segment_network import SegmentAnswer, SegmentNetwork
from embedder.weights import Weights, read_weights, shipped_weights
from musicrec.errors import Incompatible

TOP_GENRES = 5
"""Classes that an embedding names; the rest of the distribution is noise to whoever reads it."""

TOP_SEGMENT_GENRES = 3
"""And that it names of each segment."""

CPU = "cpu"
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of the drivers of NVIDIA, of AMD, and of Windows under WSL."""


class AudioEncoder:
    """Shipped or given weights on one device.

    Embeddings are a function of the samples and of `model_version`.  Between CPU and GPU, and between 8-bit and float
    networks, the vectors of one track have an inner product of at least 0.999.
    """

    def __init__(
        self, weights: Weights, network: SegmentNetwork, measure: MeasureLevels = levels, *, threads: int = 1
    ) -> None:
        """Make an encoder.

        Args:
            weights: what `network` was made from.
            network: the network, on its device.
            measure: how levels are measured, on the same device.
            threads: tracks that are analysed at the same time.

        Raises:
            Incompatible: the weights do not fit their own manifest.
        """
        try:
            self._placing = TrackPlacing.of(weights.tensors)
        except KeyError as error:
            raise weights.misfit(error) from error
        self._network = network
        self._measure = measure
        # One track at a time stays in the thread, and so in the caches, of whoever asks.
        self._map = ThreadPoolExecutor(threads, thread_name_prefix="analyse").map if threads > 1 else map
        self._classes = weights.manifest.classes
        self.model_version: str = weights.manifest.model_version
        self.dimension: int = weights.manifest.shape.dimension

    @classmethod
    def load(
        cls,
        weights: Path | None = None,
        device: str | None = None,
        *,
        threads: int = 1,
        precision: Precision | None = None,
    ) -> "AudioEncoder":
        """Load weights.

        Args:
            weights: a .safetensors file with its manifest beside it; None takes the weights of the package.
            device: `cpu`, or a GPU as torch names it; None takes a GPU where there is torch and one, else `cpu`.
            threads: CPU threads for analysis and network.
            precision: of the network on a CPU; None takes `int8` where the weights hold the ranges that it needs.

        Raises:
            Incompatible: the weights are missing, damaged or made for other features, or there is no such device.
        """
        read = read_weights(weights or shipped_weights())
        keep_freed_memory()
        # Tracks are what is worked on side by side; within one, the BLAS library's threads would mostly wait.
        threadpool_limits(1, user_api="blas")
        if (device or _default_device()) == CPU:
            encoder = cls(read, _network_on_cpu(read, threads, precision), threads=threads)
        else:
            encoder = _on_gpu(read, device)
        encoder.embed([np.zeros(0, np.float32)])  # whatever compiles on its first call does it now
        return encoder

    def embed(self, pcm_batch: Sequence[NDArray[np.float32]]) -> list[AudioEmbedding]:
        """Embed tracks.

        Args:
            pcm_batch: per track mono samples at 22,050 Hz, shape (samples,), any length.  Up to 30 s, in five segments
                spread evenly, are analysed; a track shorter than a segment (6.0 s) is repeated to fill one; silence and
                an empty track have one and the same vector.

        Raises:
            BadInput: a track has more than one axis, or samples that are not finite.
        """
        tracks = list(self._map(self._analyse, pcm_batch))
        answers = self._network.run([track.images for track in tracks])
        return [self._embedding(track, answer) for track, answer in zip(tracks, answers, strict=True)]

    def _analyse(self, pcm: NDArray[np.float32]) -> TrackFeatures:
        features = analyse(np.asarray(pcm, np.float32), self._measure)
        # All silences are one: neither their length nor their dither says anything.
        return analyse(np.zeros(0, np.float32), self._measure) if features.silent else features

    def run_network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the class probabilities of images, the network's part of `embed` alone.

        Args:
            images: (segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 1.

        Returns:
            Shape (segments, classes).
        """
        return _softmax(self._network.run([images])[0].logits)

    def _embedding(self, track: TrackFeatures, answer: SegmentAnswer) -> AudioEmbedding:
        shares = _softmax(answer.logits)
        return AudioEmbedding(
            vector=self._placing.place(answer.embedding, track.descriptors),
            genres=() if track.silent else self._most_probable(shares.mean(axis=0), TOP_GENRES),
            segment_genres=() if track.silent else tuple(self._most_probable(s, TOP_SEGMENT_GENRES) for s in shares),
            spread=None if track.silent else self._placing.spread(answer.embedding),
            tempo_bpm=track.tempo_bpm,
            key_profile=tuple(track.key_profile.tolist()),
        )

    def _most_probable(self, probabilities: NDArray[np.float32], count: int) -> tuple[tuple[str, float], ...]:
        best = np.argsort(-probabilities, kind="stable")[:count]
        return tuple((self._classes[index], float(probabilities[index])) for index in best)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _default_device() -> str:
    if importlib.util.find_spec("torch") is None or not _may_have_gpu():
        return CPU
    import torch

    return "cuda" if torch.cuda.is_available() else CPU


def _may_have_gpu() -> bool:
    """Return False where there is no driver: torch takes seconds and a quarter of a gigabyte to say so."""
    return sys.platform != "linux" or any(Path(device).exists() for device in GPU_DEVICES)


def _network_on_cpu(weights: Weights, threads: int, precision: Precision | None) -> SegmentNetwork:
    from embedder.openvino_network import ARCHITECTURES, OpenvinoNetwork

    if weights.manifest.architecture in ARCHITECTURES:
        return OpenvinoNetwork(weights, threads=threads, precision=precision)
    torch = _torch(f"the {weights.manifest.architecture} network")
    from embedder.torch_network import TorchNetwork

    torch.set_num_threads(threads)
    return TorchNetwork(weights, torch.device(CPU))


def _on_gpu(weights: Weights, name: str | None) -> AudioEncoder:
    torch = _torch(f"device {name or 'cuda'!r}")
    from embedder.features.torch_levels import torch_levels
    from embedder.torch_network import TorchNetwork

    try:
        device = torch.device(name or "cuda")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise Incompatible(f"device {name!r}: {error}; name `cpu`, `cuda` or `cuda:N`") from error
    return AudioEncoder(weights, TorchNetwork(weights, device), partial(torch_levels, device=device))


def _torch(what: str) -> ModuleType:
    if importlib.util.find_spec("torch") is None:
        raise Incompatible(f"{what} needs torch: pip install 'musicrec[train]'")
    return importlib.import_module("torch")
