"""`musicrec train audio`: train the audio network on audio that the command synthesises."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


class _Architecture(StrEnum):
    LIGHT = "light"
    ALEXNET = "alexnet"
    TRANSFORMER = "transformer"


def command(
    out: Annotated[Path, typer.Argument(help="Weights to write (.safetensors); the manifest goes beside it.")],
    work: Annotated[Path, typer.Option(help="Folder of the corpus and the checkpoint; a run goes on from it.")] = Path(
        ".data/train-audio"
    ),
    architecture: Annotated[_Architecture, typer.Option(help="Network.")] = _Architecture.LIGHT,
    channels: Annotated[
        str, typer.Option(help="Parts of the sound that the network hears, joined by +.")
    ] = "mix+harmonic+percussive",
    styles: Annotated[int, typer.Option(min=34, help="Styles to synthesise for training.")] = 680,
    tracks: Annotated[int, typer.Option(min=2, help="Tracks per style.")] = 3,
    held_out: Annotated[int, typer.Option(min=17, help="Further styles, kept out of training and measured on.")] = 85,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all styles.")] = 24,
    tasks: Annotated[bool, typer.Option("--tasks", help="Ask for instruments, tempo and key too.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the music, the network and the order.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Synthesise styles, analyse their tracks, train, measure on styles never heard, write the weights.

    The same seed and sizes give the same weights on the same kind of machine.  A run that is stopped goes on from the
    files in the working folder.  The defaults made the weights of the package.

    JSON keys: model_version, sha256, metrics ▸ style_precision@1, style_precision@1_learned,
    style_precision@1_described, family_accuracy, family_precision, family_recall.
    """
    import torch

    from embedder.checkpoint import save_weights
    from embedder.network_shape import NetworkShape
    from embedder.synthesis import FAMILY_NAMES
    from embedder.training.corpus import CorpusPlan, build_corpus, plan_settings
    from embedder.training.trainer import DESCRIBED, LEARNED, EpochReport, TrainingSettings, measure, train

    torch.set_num_threads(threads)
    console = Console(stderr=True)
    plan = CorpusPlan(seed, styles, tracks)
    # Another seed: no style of the one corpus is in the other.
    unheard = CorpusPlan(seed + 500_000, held_out, 4)
    settings = TrainingSettings(seed=seed, epochs=epochs, channels=channels, tasks=tasks)
    shape = NetworkShape(architecture.value, len(FAMILY_NAMES), LEARNED, DESCRIBED)

    def on_file(done: int, files: int) -> None:
        console.print(f"corpus: {done} of {files} files", highlight=False)

    def on_epoch(report: EpochReport) -> None:
        console.print(f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}", highlight=False)

    corpus = build_corpus(plan, work, on_file)
    network = train(
        corpus, shape, settings, work / f"{architecture.value}-{channels}{'-tasks' if tasks else ''}", on_epoch
    )
    metrics = measure(network, build_corpus(unheard, work, on_file))
    training = {**plan_settings(plan), **asdict(settings)}
    manifest = save_weights(network, out, classes=FAMILY_NAMES, training=training, metrics=metrics)
    if as_json:
        print(json.dumps({"model_version": manifest.model_version, "sha256": manifest.sha256, "metrics": metrics}))
        return
    table = Table(title=f"{manifest.model_version}, on {held_out} styles it never heard")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
