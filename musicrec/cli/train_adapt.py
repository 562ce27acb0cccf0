"""`musicrec train adapt`: adapt the audio network to a catalogue of one's own."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from musicrec.errors import BadInput


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
    listens: Annotated[
        Path | None, typer.Option(help="A listening log, .parquet or .jsonl: also learn what is heard together.")
    ] = None,
    track_files: Annotated[
        Path | None, typer.Option(help="With --listens: tab-separated, columns `track` (id) and `file` (below AUDIO).")
    ] = None,
    epochs: Annotated[int, typer.Option(min=0, help="Contrastive passes; 0 leaves the convolutions as they are.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Make weights in whose vectors that counts little which varies within the tracks of this catalogue.

    No labels are needed, and none are read.  With a log, vectors also learn which tracks share sessions, for the sake
    of those that nobody has played yet.  Vectors of adapted weights are not comparable with those of others: name the
    weights in MUSICREC_EMBEDDER_WEIGHTS, and have all tracks embedded again.  A run that is stopped goes on from the
    working folder.

    JSON keys: model_version, adapted_from, sha256, tracks.
    """
    import torch

    from embedder.checkpoint import load_weights, save_weights, shipped_weights
    from embedder.training.adaptation import AdaptationSettings, adapt
    from embedder.training.catalogue import audio_files, read_catalogue
    from embedder.training.co_listening import TeachingSettings, company, teach
    from embedder.training.trainer import EpochReport
    from musicrec.evaluation.listening_log import read_log
    from musicrec.sequence.log_sessions import sessions_of

    if (listens is None) != (track_files is None):
        raise BadInput("--listens and --track-files: a log needs a table of which track is which file, and the reverse")
    torch.set_num_threads(threads)
    console = Console(stderr=True)
    network, before = load_weights(weights or shipped_weights(), torch.device("cpu"))
    catalogue = read_catalogue(track(audio_files(audio, most, seed), "tracks", console=console), work)
    settings = AdaptationSettings(seed=seed, epochs=epochs)

    def on_epoch(report: EpochReport) -> None:
        console.print(f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}", highlight=False)

    adapt(network, catalogue, settings, work, model_version=before.model_version, on_epoch=on_epoch)
    training: dict[str, int | float] = {**asdict(settings), "tracks": len(catalogue.names)}
    if listens is not None and track_files is not None:
        ids = track_ids(track_files, audio, catalogue.names)
        sessions = (session.tracks for session in sessions_of(read_log(listens)))
        together = company(sessions, ids)
        teach(network, catalogue, together, TeachingSettings(seed=seed))
        training["pairs"] = int((together > 0).sum()) // 2
    manifest = save_weights(
        network,
        out,
        classes=before.classes,
        training=training,
        metrics={},
        adapted_from=before.model_version,
    )
    console.print(f"{out}: {manifest.model_version}, of {len(catalogue.names)} tracks", highlight=False)
    if as_json:
        found = {"model_version": manifest.model_version, "adapted_from": before.model_version}
        print(json.dumps({**found, "sha256": manifest.sha256, "tracks": len(catalogue.names)}))


def track_ids(table: Path, audio: Path, names: Sequence[str]) -> list[str]:
    """Return the track id of each file; of a file that the table does not name, its path, which no log has.

    Raises:
        BadInput: the table cannot be read, or has other columns.
    """
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        id_of = {(audio / row["file"]).as_posix(): row["track"] for row in rows}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--track-files {table}: cannot be read: {error}") from error
    except KeyError as error:
        raise BadInput(f"--track-files {table}: has no column {error}; it needs `track` and `file`") from None
    return [id_of.get(name, name) for name in names]
