"""`musicrec evaluate audio-ablations`: what the parts of the audio vectors are worth, as a page with pictures."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

from musicrec.cli.evaluate_audio import precisions, probes_of
from musicrec.evaluation.audio import LabelledClips, precision_at_k, read_labels

if TYPE_CHECKING:
    from embedder.training.catalogue import Catalogue
    from embedder.training.trainer import EpochReport
    from musicrec.evaluation.audio_ablations import TrainingSize

KEPT_CHANNELS = (0.85, 0.7, 0.5)


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of audio files.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip in DIR.")],
    label: Annotated[str, typer.Option(help="Column of the table that holds the label.")],
    out: Annotated[Path, typer.Option(help="Page to write; the pictures stand beside it.")] = Path("docs/audio.md"),
    network: Annotated[
        list[str] | None, typer.Option(help="Only these networks are trained: light, transformer, alexnet.")
    ] = None,
    styles: Annotated[int, typer.Option(min=34, help="Styles to synthesise for each training.")] = 170,
    tracks: Annotated[int, typer.Option(min=2, help="Tracks per style.")] = 2,
    held_out: Annotated[int, typer.Option(min=17, help="Further styles, which are measured on.")] = 34,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all styles.")] = 12,
    batch: Annotated[int, typer.Option(min=2, help="Styles per step.")] = 17,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the splits.")] = 5,
    work: Annotated[Path, typer.Option(help="Folder of what was computed; a run goes on from it.")] = Path(
        ".data/evaluate-audio"
    ),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Measure vectors, adaptation, parts, small trainings, pruning and probes, and write a page.

    A quarter of an hour with the defaults on two new cores, hours on old ones;
    every part of it is kept in the working folder, so that a run that is
    stopped goes on.
    """
    import torch

    from embedder.checkpoint import load_weights, shipped_weights
    from embedder.encoder import AudioEncoder
    from embedder.training.catalogue import read_catalogue
    from embedder.training.corpus import SEGMENTS
    from embedder.training.pruning import DistillingSettings
    from musicrec.evaluation.adaptation_trial import unheard_figures
    from musicrec.evaluation.audio_ablations import HEARD_SEGMENTS, TrainingSize, cepstra, heard_briefly, without_parts
    from musicrec.evaluation.audio_document import AudioFindings, audio_page
    from musicrec.evaluation.audio_pictures import draw_features
    from musicrec.evaluation.audio_pruning import pruned_figures
    from musicrec.evaluation.clip_features import read_features

    torch.set_num_threads(threads)
    console = Console(stderr=True)
    clips, encoder = read_labels(folder, labels, label), AudioEncoder.load()
    features = read_features(track(clips.paths, "clips", console=console), encoder, work)
    catalogue = read_catalogue(track(clips.paths, "segments", console=console), work)
    precision = precisions(clips, features)
    shipped, manifest = load_weights(shipped_weights(), torch.device("cpu"))
    parts = {"everything": precision_at_k(features.vectors, clips.labels)} | {
        name: precision_at_k(x, clips.labels)
        for name, x in (
            *without_parts(shipped, features.descriptors, features.vectors).items(),
            *cepstra(features.descriptors).items(),
        )
    }
    for segments in HEARD_SEGMENTS:
        heard = heard_briefly(track(clips.paths, f"{segments} segments", console=console), encoder, segments, work)
        parts[f"{segments} segments heard"] = precision_at_k(heard, clips.labels)
    size = TrainingSize(styles, tracks, held_out, epochs, batch)
    out.parent.mkdir(parents=True, exist_ok=True)
    confusion, pictures = out.with_name(f"{out.stem}-confusion.svg"), out.with_name(f"{out.stem}-features.svg")
    draw_features(pictures)
    trained = _trained(size, catalogue, clips, network, work, console)
    pruned = {
        f"{share:.0%}": pruned_figures(share, size, catalogue, work, partial(_say, console, f"{share:.0%}"))
        for share in KEPT_CHANNELS
    }
    page = AudioFindings(
        about=(
            f"{len(clips.paths)} clips of {folder.name}, {len(set(clips.labels))} labels, {manifest.model_version},\n"
            f"by `musicrec evaluate audio-ablations {folder.name} --labels {labels.name} --label {label}"
            f"{_options(size, network)}`."
        ),
        label=label,
        chance=float(precision["chance_precision"]),
        vectors={name: row["precision@5"] for name, row in precision["models"].items()},
        adapted=unheard_figures(clips, None, work, epochs=0, repeats=repeats)["models"],
        repeats=repeats,
        parts=parts,
        size=f"{styles} styles of {tracks} tracks, {epochs} passes, {batch} styles a step",
        trained=trained,
        pruned=pruned,
        pruning={"epochs": DistillingSettings().epochs, "segments": styles * tracks * SEGMENTS},
        probes=probes_of(clips, features, repeats, confusion, work),
        pictures={"confusion": confusion.name, "features": pictures.name},
    )
    out.write_text(audio_page(page), encoding="utf-8")
    console.print(f"{out}, {confusion}, {pictures}")


def _trained(
    size: "TrainingSize",
    catalogue: "Catalogue",
    clips: LabelledClips,
    only: list[str] | None,
    work: Path,
    console: Console,
) -> dict[str, dict[str, float]]:
    from musicrec.evaluation.audio_ablations import VARIANTS, trained_small

    label_of = dict(zip((path.as_posix() for path in clips.paths), clips.labels, strict=True))
    labels = [label_of[name] for name in catalogue.names]
    found = {}
    for variant in VARIANTS:
        if only is None or variant.architecture in only:
            say = partial(_say, console, variant.name)
            found[variant.name] = trained_small(variant, size, catalogue, labels, work, say)
    return found


def _say(console: Console, name: str, report: "EpochReport") -> None:
    console.print(f"{name}: epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}", highlight=False)


def _options(size: "TrainingSize", only: list[str] | None) -> str:
    said = [f" --network {name}" for name in only or ()]
    said += [f" --styles {size.styles} --tracks {size.tracks} --held-out {size.held_out}"]
    return "".join([*said, f" --epochs {size.epochs} --batch {size.styles_per_batch}"])
