"""The corpus, the losses, and a training run that is stopped and goes on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embedder.features.descriptors import N_DESCRIPTORS
from embedder.network_shape import NetworkShape
from embedder.synthesis import FAMILY_NAMES, INSTRUMENTS, Style, perform
from embedder.training.contrastive import TEMPERATURE, distort, same_style_loss
from embedder.training.corpus import Corpus, CorpusPlan, build_corpus
from embedder.training.descriptor_map import fit_descriptor_map
from embedder.training.tasks import KEYS, TEMPI, TaskHeads, Truths
from embedder.training.trainer import EpochReport, TrainingSettings, measure, train
from musicrec.errors import Incompatible

pytestmark = pytest.mark.torch

SHAPE = NetworkShape("light", len(FAMILY_NAMES), 8, 4)


def invented_corpus(styles: int = 2, tracks: int = 2) -> Corpus:
    rng = np.random.default_rng(4)
    numbers = np.arange(styles * tracks) // tracks
    return Corpus(
        images=rng.integers(0, 256, (styles * tracks, 1, 3, 256, 256), dtype=np.uint8),
        descriptors=rng.standard_normal((styles * tracks, N_DESCRIPTORS)).astype(np.float32),
        styles=numbers,
        families=numbers % len(FAMILY_NAMES),
        truths=Truths(
            rng.integers(0, 2, (len(numbers), len(INSTRUMENTS)), dtype=np.uint8),
            rng.integers(0, TEMPI, len(numbers)),
            rng.integers(0, KEYS, len(numbers)),
        ),
    )


def test_the_loss_is_the_cross_entropy_of_finding_one_s_own_style() -> None:
    embedding = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    loss = same_style_loss(embedding, torch.tensor([0, 0, 1, 1]))
    expected = -np.log(np.exp(1 / TEMPERATURE) / (np.exp(1 / TEMPERATURE) + 2))
    assert float(loss) == pytest.approx(expected, abs=1e-5)
    assert float(same_style_loss(embedding, torch.tensor([0, 1, 0, 1]))) > float(loss)


def test_distortion_is_drawn_from_its_generator_and_stays_an_image() -> None:
    images = torch.rand((3, 3, 256, 256), generator=torch.Generator().manual_seed(1))
    first, second, other = (distort(images, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_the_descriptor_map_keeps_what_tells_styles_apart_and_damps_what_does_not() -> None:
    rng = np.random.default_rng(3)
    styles = np.repeat(np.arange(40), 5)
    telling = rng.standard_normal(40)[styles] + 0.1 * rng.standard_normal(200)
    fitted = fit_descriptor_map(np.stack([telling, rng.standard_normal(200)], 1).astype(np.float32), styles, 1, 0.05)
    assert abs(fitted.matrix[0, 0]) > 3 * abs(fitted.matrix[0, 1])


def test_a_corpus_is_built_once_and_then_read(tmp_path: Path) -> None:
    plan = CorpusPlan(seed=3, styles=2, tracks_per_style=1)
    seen: list[tuple[int, int]] = []
    first = build_corpus(plan, tmp_path, lambda done, files: seen.append((done, files)))
    assert seen == [(1, 1)]
    assert first.images.shape == (2, 3, 3, 256, 256)
    assert first.styles.tolist() == [0, 1]
    (written,) = tmp_path.rglob("*.npz")
    before = written.stat().st_mtime_ns
    again = build_corpus(plan, tmp_path, lambda done, files: None)
    assert written.stat().st_mtime_ns == before
    np.testing.assert_array_equal(first.images, again.images)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    corpus, settings = invented_corpus(), TrainingSettings(epochs=2, styles_per_batch=2)
    whole = train(corpus, SHAPE, settings, tmp_path / "whole", lambda report: None)

    def stop(report: EpochReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, SHAPE, settings, tmp_path / "stopped", stop)
    reports: list[EpochReport] = []
    resumed = train(corpus, SHAPE, settings, tmp_path / "stopped", reports.append)
    assert [report.epoch for report in reports] == [2]
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    corpus = invented_corpus()
    train(corpus, SHAPE, TrainingSettings(epochs=1, styles_per_batch=2), tmp_path, lambda report: None)
    with pytest.raises(Incompatible, match="other settings"):
        train(corpus, SHAPE, TrainingSettings(epochs=2, styles_per_batch=2), tmp_path, lambda report: None)


def test_measures_are_shares(tmp_path: Path) -> None:
    corpus = invented_corpus()
    network = train(corpus, SHAPE, TrainingSettings(epochs=1, styles_per_batch=2), tmp_path, lambda report: None)
    assert all(0 <= value <= 1 for value in measure(network, corpus).values())


def test_truths_are_those_of_what_was_played() -> None:
    played = [perform(Style.sample(s, family), 1, 6.0) for s, family in enumerate(("metal", "piano"))]
    truths = Truths.of(played)
    names = [{INSTRUMENTS[place] for place in np.flatnonzero(row)} for row in truths.instruments]
    assert names == [each.instruments for each in played]
    assert "drums" in names[0]
    assert names[1] <= {"piano", "electric piano"}
    assert truths.tonic.tolist() == [each.tonic for each in played]
    assert (truths.tempo[0] > truths.tempo[1]) == (played[0].bpm > played[1].bpm)


def test_the_loss_of_the_tasks_is_least_for_the_truth() -> None:
    heads = TaskHeads(4)
    truths = Truths.of([perform(Style.sample(1, "piano"), 1, 6.0)])
    with torch.no_grad():
        heads.ask.weight.zero_()
        right = torch.full_like(heads.ask.bias, -5.0)
        right[np.flatnonzero(truths.instruments[0])] = 5.0
        right[[len(INSTRUMENTS) + truths.tempo[0], len(INSTRUMENTS) + TEMPI + truths.tonic[0]]] = 5.0
        for bias, low, high in ((right, 0.0, 0.02), (-right, 1.0, 9.0)):
            heads.ask.bias.copy_(bias)
            assert low < float(heads.loss(torch.zeros(1, 4), truths)) < high


def test_tasks_change_what_is_learned(tmp_path: Path) -> None:
    corpus = invented_corpus()
    networks = [
        train(corpus, SHAPE, TrainingSettings(epochs=1, tasks=tasks), tmp_path / str(tasks), lambda report: None)
        for tasks in (False, True)
    ]
    first, second = (next(network.segments.parameters()) for network in networks)
    assert not torch.equal(first, second)
