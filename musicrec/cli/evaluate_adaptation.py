"""`musicrec evaluate adaptation`: what adapting the audio network is worth on sounds that it never heard."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from musicrec.evaluation.audio import read_labels


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of audio files.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip in DIR.")],
    label: Annotated[str, typer.Option(help="Column of the table that holds the label.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with (.safetensors); those of the package if not given.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of what was analysed; a second run reads it.")] = Path(
        ".data/evaluate-audio"
    ),
    epochs: Annotated[int, typer.Option(min=0, help="Contrastive passes of an adaptation.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Ways of cutting the labels into halves.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Adapt to the clips of half of the labels, count the other half's nearest five of the same label, and vice versa.

    No label is read by an adaptation.  `whole`: neighbours among all clips; `half`: among those of labels that were
    not heard.  "heard": adapted to all clips, without labels, as a user's own catalogue is.  Clips of less than two
    segments (12 s) and silent ones are left out.

    JSON keys: models ▸ mfcc | musicrec | adapted | heard ▸ whole, half (of adapted: means over the repeats);
    clips, labels, left_out, repeats, model_version.
    """
    import torch

    from musicrec.evaluation.adaptation_trial import unheard_figures

    torch.set_num_threads(threads)
    figures = unheard_figures(read_labels(folder, labels, label), weights, work, epochs=epochs, repeats=repeats)
    if as_json:
        print(json.dumps(figures))
        return
    table = Table(title=f"Nearest five of the same {label}")
    for column in ("vectors", "among all clips", "among the unheard half"):
        table.add_column(column, justify="left" if column == "vectors" else "right")
    for name, row in figures["models"].items():
        table.add_row(name, f"{row['whole']:.4f}", f"{row['half']:.4f}" if "half" in row else "")
    table.caption = f"{figures['clips']} clips, {figures['labels']} labels, {repeats} times two halves"
    Console().print(table)
