"""Weights adapted to a catalogue: what varies within its tracks, views, and a run that is stopped and goes on."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from invented_catalogue import invented_catalogue

from embedder.checkpoint import load_weights, save_weights
from embedder.features.descriptors import N_DESCRIPTORS
from embedder.features.geometry import SAMPLE_RATE_HZ
from embedder.network import TrackNetwork
from embedder.network_shape import NetworkShape
from embedder.synthesis import Style, synthesise
from embedder.training.adaptation import AdaptationSettings, adapt
from embedder.training.catalogue import audio_files, read_catalogue
from embedder.training.placing import heard_segments, place_tracks
from embedder.training.trainer import EpochReport
from embedder.training.views import view
from embedder.training.within_class import within_class_map
from musicrec.errors import BadInput, Incompatible

pytestmark = pytest.mark.torch

SHAPE = NetworkShape("light", 3, 8, 4)


def network() -> TrackNetwork:
    torch.manual_seed(3)
    return TrackNetwork(SHAPE)


def test_what_varies_within_a_class_alone_is_left_out() -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(50), 4)
    x = np.stack([rng.standard_normal(50)[classes], 5 * rng.standard_normal(200)], 1)
    (direction,) = within_class_map(x, classes, 1, shrinkage=0.01)
    assert abs(direction[0]) > 10 * abs(direction[1])


def test_within_classes_the_mapped_examples_have_unit_variance_in_every_direction() -> None:
    rng = np.random.default_rng(2)
    classes = np.repeat(np.arange(40), 5)
    x = rng.standard_normal((40, 3))[classes] + rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
    mapped = x @ within_class_map(x, classes, 3, shrinkage=0.0).T
    residual = mapped - np.stack([mapped[classes == c].mean(0) for c in range(40)])[classes]
    np.testing.assert_allclose(residual.T @ residual / 200, np.eye(3), atol=1e-9)


def test_views_are_drawn_from_their_generator_and_stay_images() -> None:
    images = torch.rand((4, 3, 256, 256), generator=torch.Generator().manual_seed(1))
    before = images.clone()
    first, second, other = (view(images, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_adapted_segments_of_one_track_lie_nearer_to_each_other_than_before(tmp_path: Path) -> None:
    catalogue = invented_catalogue()

    def spread(of: TrackNetwork) -> float:
        with torch.no_grad():
            e = of.segments.embed(torch.from_numpy(heard_segments(of, catalogue.images))).numpy()
        within = np.mean([e[catalogue.track_of == track].var(0).sum() for track in range(len(catalogue.names))])
        return float(within / e.var(0).sum())

    before = spread(network())
    adapted = adapt(network(), catalogue, AdaptationSettings(), tmp_path, model_version="audio-x")
    assert spread(adapted) < before
    vectors = place_tracks(adapted, catalogue)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    assert float(adapted.learned_share) == 0.5


def test_adaptation_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    catalogue, settings = invented_catalogue(4), AdaptationSettings(epochs=2, tracks_per_batch=2)
    whole = adapt(network(), catalogue, settings, tmp_path / "whole", model_version="audio-x")

    def stop(report: EpochReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(network(), catalogue, settings, tmp_path / "stopped", model_version="audio-x", on_epoch=stop)
    reports: list[EpochReport] = []
    resumed = adapt(
        network(), catalogue, settings, tmp_path / "stopped", model_version="audio-x", on_epoch=reports.append
    )
    assert [report.epoch for report in reports] == [2]
    vectors, others = place_tracks(whole, catalogue), place_tracks(resumed, catalogue)
    np.testing.assert_allclose(others @ others.T, vectors @ vectors.T, atol=1e-3)
    with pytest.raises(Incompatible, match="other settings"):
        adapt(network(), catalogue, settings, tmp_path / "stopped", model_version="audio-y")


def test_adapted_weights_have_a_version_of_their_own_and_say_what_they_were(tmp_path: Path) -> None:
    before = save_weights(network(), tmp_path / "a.safetensors", classes=("x", "y", "z"), training={}, metrics={})
    loaded, manifest = load_weights(tmp_path / "a.safetensors", torch.device("cpu"))
    assert (manifest.model_version, manifest.adapted_from) == (before.model_version, None)
    adapted = adapt(loaded, invented_catalogue(), AdaptationSettings(), tmp_path, model_version=before.model_version)
    after = save_weights(
        adapted, tmp_path / "b.safetensors", classes=("x", "y", "z"), training={}, metrics={}, adapted_from="audio-a"
    )
    assert after.model_version != before.model_version
    again, manifest = load_weights(tmp_path / "b.safetensors", torch.device("cpu"))
    assert manifest.adapted_from == "audio-a"
    vectors = place_tracks(again, invented_catalogue())
    assert np.sum(vectors * place_tracks(adapted, invented_catalogue()), axis=1) == pytest.approx(1.0, abs=1e-3)


def test_a_catalogue_is_read_from_a_folder_once_without_what_is_short_or_silent(tmp_path: Path) -> None:
    music, work = tmp_path / "music", tmp_path / "work"
    music.mkdir()
    for name, seconds in (("b", 13.0), ("a", 12.5), ("short", 3.0)):
        soundfile.write(music / f"{name}.wav", synthesise(Style.sample(4), len(name), seconds), SAMPLE_RATE_HZ)
    soundfile.write(music / "silent.wav", np.zeros(300_000, "f"), SAMPLE_RATE_HZ)
    catalogue = read_catalogue(audio_files(music, 10, seed=1), work)
    assert catalogue.names == tuple((music / f"{name}.wav").as_posix() for name in "ab")
    assert catalogue.track_of.tolist() == [0, 0, 1, 1]
    assert catalogue.segment_descriptors.shape == (4, N_DESCRIPTORS)
    written = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    again = read_catalogue(audio_files(music, 10, seed=1), work)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")} == written
    np.testing.assert_array_equal(catalogue.images, again.images)
    assert again.chosen([1]).names == catalogue.names[1:]
    np.testing.assert_array_equal(again.chosen([1]).images, catalogue.images[2:])
    assert len(audio_files(music, 2, seed=1)) == 2


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 files end in"):
        audio_files(tmp_path, 10, seed=1)
