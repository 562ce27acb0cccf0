"""`musicrec model`: which trained model the ranking workers load, and in which other ways they rank."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.errors import BadInput
from musicrec.settings import KafkaSettings, load_settings


def announce(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="What `musicrec train sequence` or `musicrec train ranker` wrote, below MUSICREC_RANKING__MODELS_DIR.",
        ),
    ],
    kafka: KafkaServers = None,
) -> None:
    """Check a model as workers do, and have every ranking worker load it; no restart, no list without one.

    FOLDER is absolute, or relative to the models directory, which workers see with the same content.  A session encoder
    makes lists from then on.  From a ranker the ranking's networks, those of variants too, go on learning; what they
    have learned before is gone.  Each announcement of a ranker is obeyed once: a restart keeps what was learned since.
    """
    from musicrec.model_announcements import put_announcement
    from musicrec.sequence.encoder_files import manifest_sha256
    from musicrec.sequence.models_directory import folder_below, name_below

    models = load_settings().ranking.models_dir
    name = name_below(models, folder)
    place = folder_below(models, name)
    digest = manifest_sha256(place)
    model = _checked(place, digest)
    announced = ModelAnnouncement(
        name=model.name,
        files=ModelFiles(version=model.version, manifest_sha256=digest, folder=name),
        announced_at_ms=time.time_ns() // 1_000_000,
    )
    asyncio.run(put_announcement(_settings(kafka), model.name, announced))
    typer.echo(f"announced {model.name} {model.version} in {name}: {model.described}")


def variant(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Up to 32 of a-z, 0-9, - and _; a label of metrics.")],
    share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, metavar="0…1", help="Share of the listeners that it answers.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Make its lists and show them to nobody: they go to a topic of their own.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SETTING=VALUE", help="A setting in which it differs; a wrong one names all."),
    ] = None,
    without_encoder: Annotated[bool, typer.Option("--without-encoder", help="No session encoder speaks.")] = False,
    experiment: Annotated[
        str | None, typer.Option(metavar="SALT", help="Shares listeners out anew; one for all that answer somebody.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """Have every ranking worker rank in a second way, for a share of the listeners or for nobody.

    A listener stays with a variant as long as it keeps its share; what is left over has the ranking that workers are
    set to. Announce it anew to change it: what its ranker has learned stays where its settings stay.
    """
    from musicrec.contracts.model import VARIANT_PREFIX
    from musicrec.model_announcements import announcements, put_announcement
    from musicrec.variant_announcements import variant_beside

    if (share is not None) + shadow + withdraw != 1 or share == 0:
        raise BadInput(f"{name}: one of --share above 0, --shadow and --withdraw is needed")
    servers, key = _settings(kafka), f"{VARIANT_PREFIX}{name}"
    found = asyncio.run(announcements(servers))
    if withdraw:
        _withdraw(servers, key, found)
        return
    announced = variant_beside(
        found,
        key,
        share=share or 0.0,
        settings=_values(settings or []),
        uses_encoder=not without_encoder,
        experiment=experiment,
        now_ms=time.time_ns() // 1_000_000,
    )
    asyncio.run(put_announcement(servers, key, announced))
    typer.echo(f"announced {_described(announced)}")


def list_models(
    as_json: Annotated[
        bool, typer.Option("--json", help="One announcement a line, as it stands on the topic.")
    ] = False,
    kafka: KafkaServers = None,
) -> None:
    """List what is announced now: models and variants."""
    from musicrec.model_announcements import announcements

    found = asyncio.run(announcements(_settings(kafka)))
    for announced in found.values():
        if as_json:
            print(json.dumps(announced.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
        else:
            at = datetime.fromtimestamp(announced.announced_at_ms / 1000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{_described(announced)}, announced {at}")
    if not found and not as_json:
        typer.echo("no model is announced")


def withdraw(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `musicrec model list` shows it.")],
    kafka: KafkaServers = None,
) -> None:
    """Take an announcement back.

    In place of a session encoder workers go on with what MUSICREC_RANKING__ENCODER_PATH names, or without any.
    Networks that have begun with a ranker go on with what they have learned; who wants others announces another ranker.
    """
    from musicrec.model_announcements import announcements

    settings = _settings(kafka)
    _withdraw(settings, name, asyncio.run(announcements(settings)))


class _Checked(NamedTuple):
    name: str
    version: str
    described: str


def _checked(folder: Path, manifest_sha256: str) -> _Checked:
    """Return what a folder holds, loaded and tried out as workers do."""
    from musicrec.model_announcements import RANKER, SESSION_ENCODER
    from musicrec.ranker_files import is_ranker, read_ranker
    from musicrec.recommend import RankingSettings
    from musicrec.sequence.encoder_loading import load_encoder

    if is_ranker(folder):
        ranker = read_ranker(folder, manifest_sha256)
        ranker.try_out(RankingSettings())
        learned = f"{ranker.manifest.lessons:,} lessons of {ranker.manifest.events:,} events"
        return _Checked(RANKER, ranker.version, learned)
    encoder = load_encoder(folder, manifest_sha256)
    return _Checked(SESSION_ENCODER, encoder.version, f"{len(encoder.track_ids):,} tracks")


def _withdraw(settings: KafkaSettings, name: str, found: Mapping[str, ModelAnnouncement]) -> None:
    from musicrec.model_announcements import put_announcement

    if name not in found:
        raise BadInput(f"{name}: not announced; announced are: {', '.join(found) or 'none'}")
    asyncio.run(put_announcement(settings, name, None))
    typer.echo(f"withdrew {_described(found[name])}")


def _values(settings: Sequence[str]) -> dict[str, float]:
    """Return SETTING=VALUE pairs as numbers; true and false are 1 and 0."""
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values[name] = {"true": 1.0, "false": 0.0}[text] if text in ("true", "false") else float(text)
        except ValueError:
            raise BadInput(f"--set {setting}: SETTING=VALUE is needed, with a number, true or false") from None
    return values


def _described(announced: ModelAnnouncement) -> str:
    files, chosen = announced.files, announced.variant
    if files is not None:
        return f"{announced.name} {files.version} in {files.folder}"
    if chosen is None:
        return announced.name
    differs = [f"{setting.name}={setting.value:g}" for setting in chosen.settings]
    differs += [] if chosen.uses_encoder else ["without the session encoder"]
    listeners = "shown to nobody" if chosen.shadow else f"{chosen.share:.1%} of the listeners, by {chosen.experiment!r}"
    return f"{announced.name}: {', '.join([listeners, *differs])}"


def _settings(servers: str | None) -> KafkaSettings:
    return kafka_settings(servers) or load_settings().kafka
