"""Training of the session encoder, and what it exports."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_encoder
import torch
from safetensors.numpy import load, save
from torch.nn import functional

from index.session_encoder import ServedEncoder
from musicrec.errors import BadInput, Incompatible
from musicrec.sequence.contexts import CONTEXTS, UNKNOWN_CONTEXT, context_of
from musicrec.sequence.encoder_files import ARTISTS, AUDIO, NETWORK, TRACKS, WEIGHTS, write_encoder
from musicrec.sequence.export import export
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.initial_vectors import initial_vectors
from musicrec.sequence.model import Model
from musicrec.sequence.network import SequenceNetwork
from musicrec.sequence.trainer import EpochReport, TrainingSettings, cases_of, measure, train
from musicrec.sequence.training_sessions import LONGEST, NextTrackCases, TrainingSessions

pytestmark = pytest.mark.torch

SMALL = TrainingSettings(dimension=16, epochs=4, negatives=64, places=256, dropout=0.0)


def walks(sessions: int, seed: int) -> list[HeardSession]:
    """Sessions on a circle of sixty tracks: two steps forward after an even number of plays, one after an odd one."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(sessions):
        at, walk = int(random.integers(60)), []
        for place in range(int(random.integers(3, 9))):
            walk.append(f"track-{at % 60}")
            at += 1 + place % 2
        made.append(HeardSession.plain(walk))
    return made


@pytest.fixture
def network() -> SequenceNetwork:
    return randomised(Model.ATTENTION)


def randomised(model: Model) -> SequenceNetwork:
    torch.manual_seed(1)
    network = SequenceNetwork(model, 16, 1, 2, 0.0).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return network


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, 16), dim=-1)


def unknown(vectors: torch.Tensor) -> torch.Tensor:
    """Return contexts of which nothing is known."""
    return torch.full(vectors.shape[:2], UNKNOWN_CONTEXT)


@pytest.mark.parametrize("model", Model)
def test_what_comes_later_changes_nothing_before(model: Model) -> None:
    network, first = randomised(model), unit(2, 6)
    second = first.clone()
    second[:, 4:] = unit(2, 2)
    before, after = (network(each, unknown(each)).detach() for each in (first, second))
    assert torch.allclose(before[:, :4], after[:, :4], atol=1e-5)
    assert not torch.allclose(before[:, 4:], after[:, 4:], atol=1e-2)


@pytest.mark.parametrize("model", Model)
def test_an_untrained_network_points_at_the_newest_track(model: Model) -> None:
    vectors = unit(3, 5)
    assert torch.allclose(SequenceNetwork(model, 16, 1, 2, 0.0).eval()(vectors, unknown(vectors)), vectors, atol=1e-5)


def test_attention_sees_the_order_of_the_tracks_before(network: SequenceNetwork) -> None:
    vectors = unit(1, 4)
    swapped = vectors[:, [1, 0, 2, 3]]
    assert not torch.allclose(
        network(vectors, unknown(vectors))[:, -1], network(swapped, unknown(swapped))[:, -1], atol=1e-3
    )


def test_training_begins_with_tracks_that_are_played_together_near_each_other() -> None:
    sessions = [list("abc"), list("bca"), list("xyz"), list("yzx")] * 20 + [["alone", "alone"]]
    training = TrainingSessions.of(map(HeardSession.plain, sessions))
    vectors = initial_vectors(training, 4, seed=1)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(7), abs=1e-5)
    place = {track: row for row, track in enumerate(training.track_ids)}
    together = vectors[place["a"]] @ vectors[place["c"]]
    assert together > vectors[place["a"]] @ vectors[place["x"]] + 0.5


@pytest.mark.parametrize("model", Model)
def test_training_learns_a_rule_that_neighbourhood_alone_does_not_show(model: Model, tmp_path: Path) -> None:
    training = TrainingSessions.of(walks(600, seed=1))
    settings = replace(SMALL, model=model, epochs=6, learning_rate=1e-2)
    cases = cases_of(walks(100, seed=2), training.track_ids, seed=1)
    reports: list[EpochReport] = []
    trained = train(training, cases, settings, tmp_path, reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert all(later.loss < earlier.loss for earlier, later in pairwise(reports))
    assert measure(trained, cases) == reports[-1].held_out
    assert reports[-1].held_out["mrr@20"] > 0.8  # of two tracks ahead, the right one first


def test_a_run_that_was_stopped_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    training = TrainingSessions.of(walks(80, seed=1))

    class Stopped(Exception):
        pass

    def stop(report: EpochReport) -> None:
        if report.epoch == 2:
            raise Stopped

    unbroken = train(training, None, SMALL, tmp_path / "unbroken", lambda report: None)
    with pytest.raises(Stopped):
        train(training, None, SMALL, tmp_path / "stopped", stop)
    epochs: list[int] = []
    resumed = train(training, None, SMALL, tmp_path / "stopped", lambda report: epochs.append(report.epoch))
    assert epochs == [3, 4]
    assert torch.equal(resumed.unit_vectors, unbroken.unit_vectors)
    with pytest.raises(Incompatible, match="made with other settings or sessions"):
        train(training, None, replace(SMALL, seed=2), tmp_path / "stopped", lambda report: None)


def test_a_dimension_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(BadInput, match="dimension: 9; it is shared out among 2 heads"):
        TrainingSettings(dimension=9)


@pytest.mark.parametrize("model", Model)
def test_what_is_served_without_torch_is_what_was_trained(model: Model, tmp_path: Path) -> None:
    training = TrainingSessions.of(walks(80, seed=1))
    settings = replace(SMALL, model=model, epochs=1)
    trained = train(training, None, settings, tmp_path / "work", lambda report: None)
    manifest = export(trained, training, settings, tmp_path / "encoder", trained_until_ms=7, metrics={})
    served = ServedEncoder.load(tmp_path / "encoder")
    assert (served.version, served.trained_until_ms) == (manifest.version, 7)
    assert list(served.track_ids) == list(training.track_ids)
    vectors = served.codes.values * served.codes.steps[:, np.newaxis]
    assert vectors == pytest.approx(trained.unit_vectors.numpy(), abs=4e-3)
    with torch.no_grad():  # as if training had known of skips and gaps
        trained.network.contexts.weight[1:] = torch.randn(CONTEXTS - 1, 16) * 0.2
    export(trained, training, settings, tmp_path / "encoder", trained_until_ms=7, metrics={})
    served = ServedEncoder.load(tmp_path / "encoder")
    random = np.random.default_rng(1)
    for length in (1, 2, 7, LONGEST):
        rows = random.integers(len(vectors), size=length)
        skipped, gaps_s = random.random(length) < 0.3, random.integers(8_000, size=length)
        contexts = torch.tensor([[context_of(*each) for each in zip(skipped, gaps_s, strict=True)]])
        with torch.no_grad():
            expected = trained.network(torch.from_numpy(vectors[rows])[None], contexts)[0, -1].numpy()
        direction = served.direction(vectors[rows], skipped, gaps_s)
        assert direction == pytest.approx(expected, abs=1e-5)
        found, cosines = served.nearest(direction, 10)
        exact = vectors @ direction
        assert cosines == pytest.approx(np.sort(exact)[::-1][:10], abs=5e-3)
        assert exact[found] == pytest.approx(cosines, abs=5e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixer.blocks.0.gate.weight": None}, "its network has no 'mixer.blocks.0.gate.weight'"),
        ({"mixer.blocks.0.by_distance": None}, "its network has no 'mixer.blocks.0.by_distance'"),
        ({"mixer.blocks.0.wide.weight": np.zeros((8, 16))}, r"wide.weight: shape \(8, 16\)"),
        ({"mixer.blocks.0.by_distance": np.zeros((2, 3))}, r"by_distance: shape \(2, 3\)"),
        ({"last.weight": np.zeros((8, 8))}, r"last.weight: shape \(8, 8\)"),
        ({"last.weight": np.full((16, 16), np.nan)}, "has not unit length"),
        ({"audio.alone": np.zeros((5, 8))}, r"audio.alone: shape \(5, 8\)"),
    ],
)
def test_a_network_that_cannot_be_served_is_refused(
    tmp_path: Path, change: dict[str, np.ndarray[Any, Any] | None], message: str
) -> None:
    described = tiny_encoder.trained(tmp_path, ["a", "b", "c"])
    tensors = load((tmp_path / WEIGHTS).read_bytes())
    for name, tensor in change.items():
        full = name if name.startswith(AUDIO) else f"{NETWORK}{name}"
        tensors.pop(full, None)
        if tensor is not None:
            tensors[full] = tensor.astype(np.float32)
    files = {WEIGHTS: save(tensors)} | {name: (tmp_path / name).read_bytes() for name in (TRACKS, ARTISTS)}
    write_encoder(tmp_path, files, **described.model_dump(exclude={"format", "sha256"}))
    with pytest.raises(Incompatible, match=message):
        ServedEncoder.load(tmp_path)


@pytest.mark.parametrize("model", Model)
def test_training_learns_what_a_skip_says(model: Model, tmp_path: Path) -> None:
    """After "ab" comes c where b was played, and d where it was skipped."""
    random = np.random.default_rng(1)
    sessions = []
    for _ in range(400):
        was_skipped = bool(random.random() < 0.5)
        contexts = [0, context_of(was_skipped, 4 if was_skipped else 200), context_of(False, 200)]
        sessions.append(HeardSession(["a", "b", "d" if was_skipped else "c"], contexts, 0))
    training = TrainingSessions.of(sessions)
    settings = replace(SMALL, model=model, epochs=40, learning_rate=2e-2)
    trained = train(training, None, settings, tmp_path, lambda report: None)
    held_out = NextTrackCases(
        [np.array([0, 1]), np.array([0, 1])],
        [np.array(session.contexts[:2]) for session in (_one(sessions, "c"), _one(sessions, "d"))],
        np.array([training.track_ids.index("c"), training.track_ids.index("d")]),
    )
    assert measure(trained, held_out)["mrr@20"] == 1.0


def _one(sessions: list[HeardSession], last: str) -> HeardSession:
    return next(session for session in sessions if session.tracks[-1] == last)
