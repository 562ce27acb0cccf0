"""From a trained network to the files that serve it."""

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from musicrec.sequence.encoder_files import GRAPH, TRACKS, VECTORS, WEIGHTS, Manifest, write_encoder
from musicrec.sequence.network import SequenceNetwork
from musicrec.sequence.trainer import Trained, TrainingSettings
from musicrec.sequence.training_sessions import LONGEST, TrainingSessions


def export(
    trained: Trained,
    training: TrainingSessions,
    settings: TrainingSettings,
    folder: Path,
    *,
    trained_until_ms: int,
    metrics: Mapping[str, float],
) -> Manifest:
    """Write a trained encoder.

    Args:
        trained: the network and its tracks.
        training: what it was trained on.
        settings: how.
        folder: where to.
        trained_until_ms: event time of the newest play in `training`, epoch milliseconds.
        metrics: on held-out sessions.
    """
    tensors = {f"network.{name}": tensor.contiguous() for name, tensor in trained.network.state_dict().items()}
    tensors[VECTORS] = trained.unit_vectors.half().contiguous()
    files = {
        WEIGHTS: save(tensors),
        GRAPH: graph_of(trained.network, settings.dimension),
        TRACKS: json.dumps(list(trained.track_ids), ensure_ascii=False).encode(),
    }
    return write_encoder(
        folder,
        files,
        model=settings.model,
        dimension=settings.dimension,
        scale=float(trained.network.log_scale.detach().exp()),
        longest=LONGEST,
        tracks=len(trained.track_ids),
        sessions=len(training.sessions),
        trained_until_ms=trained_until_ms,
        training=asdict(settings),
        metrics=dict(metrics),
    )


def graph_of(network: SequenceNetwork, dimension: int) -> bytes:
    """Return the network as an ONNX graph for one session of any length up to LONGEST."""
    newest = _Newest(network).eval()
    example = torch.nn.functional.normalize(torch.randn(1, 2, dimension), dim=-1)
    with _quiet():
        program = torch.onnx.export(
            newest,
            (example,),
            input_names=["vectors"],
            output_names=["direction"],
            dynamic_shapes=({1: torch.export.Dim("length", min=1, max=LONGEST)},),
            dynamo=True,
            verbose=False,
        )
        file = io.BytesIO()
        assert program is not None  # it is None for the old exporter alone
        program.save(file)
    return file.getvalue()


class _Newest(nn.Module):
    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the direction at the newest place."""
        return self.network.newest(vectors)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and advice out of a command's output."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
