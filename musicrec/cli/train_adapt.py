"""`musicrec train adapt`: adapt the audio network to a catalogue of one's own."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track


def command(
    out: Annotated[Path, typer.Argument(help="Weights to write (.safetensors); the manifest goes beside it.")],
    audio: Annotated[Path, typer.Option(help="Folder of audio files: the catalogue, or a part of it.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with (.safetensors); those of the package if not given.")
    ] = None,
    work: Annotated[
        Path, typer.Option(help="Folder of what was analysed and the checkpoint; a run goes on from it.")
    ] = Path(".data/train-adapt"),
    most: Annotated[int, typer.Option(min=2, help="Tracks at most; more are drawn from at random.")] = 1_000,
    epochs: Annotated[int, typer.Option(min=0, help="Contrastive passes; 0 leaves the convolutions as they are.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Make weights in whose vectors that counts little which varies within the tracks of this catalogue.

    No labels are needed, and none are read.  Vectors of adapted weights are not comparable with those of others: name
    the weights in MUSICREC_EMBEDDER_WEIGHTS, and have all tracks embedded again.  A run that is stopped goes on from
    the working folder.

    JSON keys: model_version, adapted_from, sha256, tracks.
    """
    import torch

    from embedder.checkpoint import load_weights, save_weights, shipped_weights
    from embedder.training.adaptation import AdaptationSettings, adapt
    from embedder.training.catalogue import audio_files, read_catalogue
    from embedder.training.trainer import EpochReport

    torch.set_num_threads(threads)
    console = Console(stderr=True)
    network, before = load_weights(weights or shipped_weights(), torch.device("cpu"))
    catalogue = read_catalogue(track(audio_files(audio, most, seed), "tracks", console=console), work)
    settings = AdaptationSettings(seed=seed, epochs=epochs)

    def on_epoch(report: EpochReport) -> None:
        console.print(f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}", highlight=False)

    adapt(network, catalogue, settings, work, model_version=before.model_version, on_epoch=on_epoch)
    manifest = save_weights(
        network,
        out,
        classes=before.classes,
        training={**asdict(settings), "tracks": len(catalogue.names)},
        metrics={},
        adapted_from=before.model_version,
    )
    console.print(f"{out}: {manifest.model_version}, of {len(catalogue.names)} tracks", highlight=False)
    if as_json:
        found = {"model_version": manifest.model_version, "adapted_from": before.model_version}
        print(json.dumps({**found, "sha256": manifest.sha256, "tracks": len(catalogue.names)}))
