"""`musicrec train sequence`: train the session encoder on sessions in a file."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.text_sessions import ended_at_ms, read_text_sessions
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.log_sessions import sessions_of
from musicrec.sequence.model import Model

if TYPE_CHECKING:
    from musicrec.sequence.export import KnownOfTracks


def command(
    out: Annotated[Path, typer.Argument(help="Folder to write the encoder to.")],
    train: Annotated[
        Path,
        typer.Option(help="A log, .parquet or .jsonl; or a line of track numbers per session, the oldest first."),
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events or sessions.")] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="The newest so many sessions are not trained on, but measured on.")
    ] = 0,
    sounds: Annotated[
        Path | None,
        typer.Option(help="A snapshot of the audio index, of which the newest tracks are placed by their sound too."),
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the checkpoint; a run goes on from it.")] = Path(
        ".data/train-sequence"
    ),
    model: Annotated[Model, typer.Option(help="What mixes the places of a session.")] = Model.ATTENTION,
    dimension: Annotated[int, typer.Option(min=8, help="Components of a vector.")] = 192,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all sessions.")] = 3,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="Of the network.")] = 2e-3,
    vector_pace: Annotated[float, typer.Option(min=1e-6, help="Of the tracks' vectors.")] = 0.05,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Of what the network reads and adds.")] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Of the network, the order and the negatives.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Train on all sessions but the newest, measure on those, write the encoder.

    Of a log, sessions are cut by the rules that they have live; a skip is read, and never what is to be foreseen.
    A track that is not in them is placed by its artist, where the log names artists, and with --sounds by its sound.
    A run that is stopped goes on from the working folder.  What is written serves without torch:
    `musicrec evaluate sessions --encoder FOLDER`.

    JSON keys: version, tracks, sessions, sha256, metrics ▸ hr@20, mrr@20.
    """
    import torch

    from musicrec.sequence.export import export
    from musicrec.sequence.trainer import EpochReport, TrainingSettings, cases_of, measure
    from musicrec.sequence.trainer import train as train_encoder
    from musicrec.sequence.training_sessions import TrainingSessions

    torch.set_num_threads(threads)
    console = Console(stderr=True)
    sessions, artist_of = sessions_and_artists(train, limit)
    known = _known(artist_of, sounds)
    kept = max(0, len(sessions) - held_out)
    training = TrainingSessions.of(sessions[:kept])
    if not training.sessions:
        raise BadInput(f"{train}: no session of two tracks is left to train on, with --held-out {held_out}")
    settings = TrainingSettings(
        model=model,
        dimension=dimension,
        epochs=epochs,
        learning_rate=learning_rate,
        vector_pace=vector_pace,
        dropout=dropout,
        seed=seed,
    )
    console.print(f"{len(training.sessions):,} sessions of {len(training.track_ids):,} tracks; {asdict(settings)}")
    metrics: dict[str, float] = {}

    def on_epoch(report: EpochReport) -> None:
        metrics.update(report.held_out)
        held = "".join(f", {name} {value:.4f}" for name, value in report.held_out.items() if name != "events")
        console.print(f"epoch {report.epoch} of {report.epochs}: loss {report.loss:.3f}{held}")

    cases = cases_of(sessions[kept:], training.track_ids, seed) if held_out else None
    trained = train_encoder(training, cases, settings, work, on_epoch)
    if cases is not None and not metrics:  # all epochs were done before
        metrics = measure(trained, cases)
    until_ms = sessions[kept - 1].ended_at_ms
    manifest = export(trained, training, settings, out, known=known, trained_until_ms=until_ms, metrics=metrics)
    console.print(f"{out}: {manifest.version}")
    if as_json:
        print(
            json.dumps(
                {
                    "version": manifest.version,
                    "tracks": manifest.tracks,
                    "sessions": manifest.sessions,
                    "sha256": manifest.sha256,
                    "metrics": manifest.metrics,
                }
            )
        )


def sessions_and_artists(train: Path, limit: int | None) -> tuple[list[HeardSession], dict[str, str]]:
    """Return the sessions of a file in the order of their ends, and the artist of each track where it names artists."""
    artist_of: dict[str, str] = {}
    return list(_sessions(train, limit, artist_of)), artist_of


def _sessions(train: Path, limit: int | None, artist_of: dict[str, str]) -> Iterator[HeardSession]:
    if train.suffix in (".parquet", ".jsonl"):
        yield from sessions_of(_artists_kept(read_log(train, limit), artist_of))
    else:
        for number, tracks in enumerate(islice(read_text_sessions(train), limit), 1):
            yield HeardSession.plain(tracks, ended_at_ms(number))


def _artists_kept(events: Iterable[ListenEvent], artist_of: dict[str, str]) -> Iterator[ListenEvent]:
    """Pass events on; keep the first artist that is named for each track, as the catalogue does."""
    for event in events:
        if event.track_id is not None and event.artist_id is not None:
            artist_of.setdefault(event.track_id, event.artist_id)
        yield event


def _known(artist_of: Mapping[str, str], sounds: Path | None) -> "KnownOfTracks":
    from musicrec.sequence.export import KnownOfTracks

    if sounds is None:
        return KnownOfTracks(artist_of)
    from index.snapshot import IndexSnapshots

    index = IndexSnapshots(sounds.parent).load_one(sounds, now_ms=int(time.time() * 1000)).index
    vectors = {track: vector for track in index.track_ids() if (vector := index.vector(track)) is not None}
    return KnownOfTracks(artist_of, vectors, index.version)
