"""One track has one vector, whatever runs the features and the network."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from embedder.encoder import AudioEncoder
from embedder.features.analysis import analyse
from embedder.features.levels import levels
from embedder.features.spectrogram import cut_segments
from embedder.network_shape import Architecture, NetworkShape
from embedder.openvino_network import OpenvinoNetwork
from embedder.placing import TrackPlacing
from embedder.synthesis import Style, synthesise
from embedder.weights import Weights, read_weights, shipped_weights
from musicrec.errors import Incompatible

torch = pytest.importorskip("torch", reason="needs the train extra")

from embedder.checkpoint import load_weights, network_of, save_weights  # noqa: E402
from embedder.features.torch_levels import running_median, torch_levels  # noqa: E402
from embedder.network import TrackNetwork  # noqa: E402
from embedder.torch_network import TorchNetwork  # noqa: E402
from embedder.training.calibration import calibrate  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def songs() -> list[np.ndarray]:
    return [synthesise(Style.sample(900 + i, family), 1, 14.0) for i, family in enumerate(("metal", "ambient", "jazz"))]


@pytest.fixture(scope="module")
def shipped() -> Weights:
    return read_weights(shipped_weights())


def untrained(folder: Path, architecture: Architecture, *, calibrated: bool = False) -> Weights:
    torch.manual_seed(1)
    network = TrackNetwork(NetworkShape(architecture, 3, 16, 8))
    if calibrated:
        calibrate(network, np.random.default_rng(1).integers(0, 256, (2, 1, 3, 256, 256), np.uint8))
    path = folder / f"{architecture}.safetensors"
    save_weights(network, path, classes=("a", "b", "c"), training={"seed": 1}, metrics={"x": 0.5})
    return read_weights(path)


def test_levels_by_torch_are_those_of_the_cpu(songs: list[np.ndarray]) -> None:
    segments = cut_segments(songs[0])
    for name, ours, theirs in zip(levels(segments)._fields, levels(segments), torch_levels(segments, CPU), strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-3, atol=5e-3, err_msg=name)


def test_features_by_torch_are_those_of_the_cpu(songs: list[np.ndarray]) -> None:
    for song in songs:
        ours, theirs = analyse(song), analyse(song, partial(torch_levels, device=CPU))
        np.testing.assert_allclose(theirs.images.numpy(), ours.images, atol=5e-4)
        np.testing.assert_allclose(theirs.descriptors, ours.descriptors, atol=2e-3)
        np.testing.assert_allclose(theirs.key_profile, ours.key_profile, atol=1e-5)
        assert theirs.tempo_bpm == ours.tempo_bpm


def test_medians_by_torch_compute_along_the_first_axis_whatever_the_others() -> None:
    x = torch.rand((50, 2, 3), generator=torch.Generator().manual_seed(1))
    for lane in np.ndindex(2, 3):
        assert torch.equal(running_median(x)[:, *lane], running_median(x[:, *lane]))


def test_vectors_on_8_bits_in_floats_and_by_torch_are_within_the_stated_tolerance(
    shipped: Weights, songs: list[np.ndarray]
) -> None:
    measure = partial(torch_levels, device=CPU)
    by_torch = AudioEncoder(shipped, TorchNetwork(shipped, CPU), measure).embed(songs)
    for precision in ("int8", "float32"):
        on_cpu = AudioEncoder(shipped, OpenvinoNetwork(shipped, threads=1, precision=precision)).embed(songs)
        for ours, theirs in zip(on_cpu, by_torch, strict=True):
            assert float(ours.vector @ theirs.vector) > 0.999
            assert ours.genres[0][0] == theirs.genres[0][0]


@pytest.mark.parametrize("architecture", ["light", "alexnet"])
def test_openvino_computes_what_torch_does(tmp_path: Path, architecture: Architecture) -> None:
    weights = untrained(tmp_path, architecture)
    images = np.random.default_rng(3).random((2, 3, 256, 256), np.float32)
    (ours,) = OpenvinoNetwork(weights, threads=1, precision="float32").run([images])
    (theirs,) = TorchNetwork(weights, CPU).run([images])
    np.testing.assert_allclose(ours.embedding, theirs.embedding, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(ours.logits, theirs.logits, rtol=1e-2, atol=1e-3)


def test_a_track_is_placed_as_in_training(shipped: Weights) -> None:
    network, placing = network_of(shipped), TrackPlacing.of(shipped.tensors)
    rng = np.random.default_rng(4)
    segments = rng.standard_normal((5, 128)).astype(np.float32)
    descriptors = (rng.standard_normal(len(placing.descriptor_mean)) * 50).astype(np.float32)
    learned = network.place_learned(torch.from_numpy(segments))
    described = network.place_described(torch.from_numpy(descriptors))
    np.testing.assert_allclose(
        placing.place(segments, descriptors), network.combine(learned, described).numpy(), atol=1e-5
    )


def test_weights_without_ranges_are_refused_for_8_bits_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match="MUSICREC_EMBEDDER_PRECISION=float32"):
        OpenvinoNetwork(untrained(tmp_path, "light"), threads=1, precision="int8")


def test_where_nothing_is_said_the_first_precision_is_taken_that_the_weights_can_have(tmp_path: Path) -> None:
    images = np.random.default_rng(3).random((1, 3, 256, 256), np.float32)
    for calibrated, precision in ((False, "float32"), (True, "int8")):
        weights = untrained(tmp_path, "light", calibrated=calibrated)
        silent, told = (OpenvinoNetwork(weights, threads=1, precision=p).run([images]) for p in (None, precision))
        np.testing.assert_array_equal(silent[0].embedding, told[0].embedding)


def test_ranges_cover_what_the_layers_say(tmp_path: Path) -> None:
    weights = untrained(tmp_path, "light", calibrated=True)
    assert (weights.tensors["segments.activation_tops"] > 0).all()
    images = np.random.default_rng(3).random((2, 3, 256, 256), np.float32)
    answers = [OpenvinoNetwork(weights, threads=1, precision=p).run([images])[0] for p in ("int8", "float32")]
    np.testing.assert_allclose(answers[0].embedding, answers[1].embedding, atol=0.1 * np.ptp(answers[1].embedding))


def test_weights_survive_a_round_trip(tmp_path: Path) -> None:
    weights = untrained(tmp_path, "light")
    loaded, manifest = load_weights(weights.path, CPU)
    assert manifest == weights.manifest
    for name, tensor in network_of(weights).state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=1e-3, atol=1e-3)
