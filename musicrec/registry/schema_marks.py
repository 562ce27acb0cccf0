"""Which ids the values of topics are marked with: asked of the registry once, and kept for when it is away.

An id never changes in a registry, so the kept one of the same schema, subject and registry is as good as its answer.
"""

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final
from uuid import UUID

from musicrec.errors import Incompatible, Unavailable
from musicrec.registry.published_schemas import published_schema, subject_of
from musicrec.registry.registry_client import RegistryClient
from musicrec.registry.wire_format import NO_MARKS, Marks, Place, SchemaId
from musicrec.settings import RegistrySettings
from musicrec.topics import Topic

log = logging.getLogger(__name__)

FILE: Final = "schema-ids.json"


async def schema_marks(settings: RegistrySettings, topics: Collection[Topic], kept_in: Path | None = None) -> Marks:
    """Return the marks of what is published on `topics`.

    Args:
        settings: where the registry is, and where the marks stand.
        topics: those without records have no schema.
        kept_in: folder of the ids that were found before; None keeps none.

    Raises:
        Incompatible: the registry lacks a schema, or refuses the user.
        Unavailable: it does not answer, and no id is kept.
    """
    place = Place(settings.schema_id)
    if place is Place.NONE:
        return NO_MARKS
    schemas = {topic: published_schema(topic.record) for topic in topics if topic.record is not None}
    file = kept_in / FILE if kept_in is not None else None
    try:
        async with RegistryClient(settings) as registry:
            ids = {topic: await _id(registry, topic, schema) for topic, schema in schemas.items()}
    except Unavailable as error:
        kept = await asyncio.to_thread(_kept, file)
        names = {topic: _name(settings, topic, schema) for topic, schema in schemas.items()}
        ids = {topic: kept[name] for topic, name in names.items() if name in kept}
        if len(ids) < len(schemas):
            raise
        log.warning("%s; going on with the ids of before", error)
    else:
        if file is not None:
            found = {_name(settings, topic, schemas[topic]): known for topic, known in ids.items()}
            await asyncio.to_thread(_keep, file, found)
    return Marks(place, {topic.name: found for topic, found in ids.items()})


async def _id(registry: RegistryClient, topic: Topic, schema: str) -> SchemaId:
    found = await registry.registered(subject_of(topic), schema)
    if found is None:
        raise Incompatible(
            f"the schema registry lacks this release's schema of {subject_of(topic)}: `musicrec contracts register` "
            "registers it; or publish without ids, MUSICREC_REGISTRY__SCHEMA_ID=none"
        )
    return found


def _name(settings: RegistrySettings, topic: Topic, schema: str) -> str:
    return hashlib.sha256(f"{settings.url} {subject_of(topic)} {schema}".encode()).hexdigest()


def _kept(file: Path | None) -> dict[str, SchemaId]:
    """Return the ids that were kept; none where there is no file, or one that a crash or a hand has spoilt."""
    if file is None:
        return {}
    try:
        found = json.loads(file.read_bytes())
        return {name: SchemaId(int(number), UUID(guid) if guid else None) for name, (number, guid) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(file: Path, ids: dict[str, SchemaId]) -> None:
    """Keep ids beside those of other agents in the same folder, and of releases before this one."""
    rows = {name: (known.number, str(known.guid or "")) for name, known in (_kept(file) | ids).items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(rows))
        part.replace(file)
    except OSError as error:
        log.warning("%s cannot be written, so a start without the registry would fail: %s", file, error)
