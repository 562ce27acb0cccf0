"""`musicrec model`: which trained model the ranking workers load."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.errors import BadInput
from musicrec.settings import KafkaSettings, load_settings


def announce(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="What `musicrec train sequence` wrote, below MUSICREC_RANKING__MODELS_DIR."
        ),
    ],
    kafka: KafkaServers = None,
) -> None:
    """Check a session encoder as workers do, and have every ranking worker load it; no restart, no list without one.

    FOLDER is absolute, or relative to the models directory, which workers see with the same content.
    """
    from musicrec.model_announcements import SESSION_ENCODER, put_announcement
    from musicrec.sequence.encoder_files import manifest_sha256
    from musicrec.sequence.encoder_loading import load_encoder
    from musicrec.sequence.models_directory import folder_below, name_below

    models = load_settings().ranking.models_dir
    name = name_below(models, folder)
    place = folder_below(models, name)
    digest = manifest_sha256(place)
    encoder = load_encoder(place, digest)
    announced = ModelAnnouncement(
        name=SESSION_ENCODER,
        files=ModelFiles(version=encoder.version, manifest_sha256=digest, folder=name),
        announced_at_ms=time.time_ns() // 1_000_000,
    )
    asyncio.run(put_announcement(_settings(kafka), SESSION_ENCODER, announced))
    typer.echo(f"announced {SESSION_ENCODER} {encoder.version} in {name}: {len(encoder.track_ids):,} tracks")


def list_models(
    as_json: Annotated[
        bool, typer.Option("--json", help="One announcement a line, as it stands on the topic.")
    ] = False,
    kafka: KafkaServers = None,
) -> None:
    """List what is announced now."""
    from musicrec.model_announcements import announcements

    found = asyncio.run(announcements(_settings(kafka)))
    for announced in found.values():
        if as_json:
            print(json.dumps(announced.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
        else:
            at = datetime.fromtimestamp(announced.announced_at_ms / 1000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{announced.name} {announced.files.version} in {announced.files.folder}, announced {at}")
    if not found and not as_json:
        typer.echo("no model is announced")


def withdraw(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `musicrec model list` shows it.")],
    kafka: KafkaServers = None,
) -> None:
    """Take an announcement back: workers go on with what MUSICREC_RANKING__ENCODER_PATH names, or without any."""
    from musicrec.model_announcements import announcements, put_announcement

    settings = _settings(kafka)
    found = asyncio.run(announcements(settings))
    if name not in found:
        raise BadInput(f"{name}: not announced; announced are: {', '.join(found) or 'none'}")
    asyncio.run(put_announcement(settings, name, None))
    typer.echo(f"withdrew {name} {found[name].files.version}")


def _settings(servers: str | None) -> KafkaSettings:
    return kafka_settings(servers) or load_settings().kafka
