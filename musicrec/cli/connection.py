"""Options that several commands share: where Kafka, Redis and the data folder are."""

from pathlib import Path
from typing import Annotated

import typer

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
    return load_settings().kafka.model_copy(update={"bootstrap_servers": servers})


def redis_settings(url: str | None) -> RedisSettings | None:
    """Return the connection to an existing Redis."""
    return None if url is None else RedisSettings.model_validate({"url": url})
