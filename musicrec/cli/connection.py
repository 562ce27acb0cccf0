"""Options that several commands share: where Kafka, Redis and the data folder are."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from musicrec.errors import Incompatible
from musicrec.settings import KafkaSettings, RedisSettings, load_settings

KafkaServers = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT[,…]", help="A Kafka that is there already; MUSICREC_KAFKA__* for TLS."),
]
RedisUrl = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="A Redis that is there already, redis:// or rediss://.")
]
DataDir = Annotated[Path, typer.Option(help="Folder of the embedded servers' data and logs.")]


def kafka_settings(servers: str | None) -> KafkaSettings | None:
    """Return the connection to an existing Kafka; security settings come from the environment."""
    if servers is None:
        return None
    values = load_settings().kafka.model_dump(exclude_unset=True) | {"bootstrap_servers": servers}
    try:
        return KafkaSettings(**values)
    except ValidationError as error:
        raise refused_option("--kafka", error) from None


def redis_settings(url: str | None) -> RedisSettings | None:
    """Return the connection to an existing Redis."""
    if url is None:
        return None
    try:
        return RedisSettings.model_validate({"url": url})
    except ValidationError as error:
        raise refused_option("--redis", error) from None


def refused_option(option: str, error: ValidationError) -> Incompatible:
    """Return the error that names the option."""
    return Incompatible(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
