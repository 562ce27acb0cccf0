"""`musicrec web`: the live page."""

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Annotated

import typer

from musicrec.access import REPLAY_RULES, WEB
from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cli.imports import imports
from musicrec.errors import Unavailable
from musicrec.kafka_access import check_access
from musicrec.log_lines import log_to_stderr
from musicrec.settings import Settings, load_settings


def command(
    host: Annotated[str | None, typer.Option(help="Address to listen on; MUSICREC_WEB__HOST or this machine.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one; MUSICREC_WEB__PORT or 8400.")
    ] = None,
    kafka: KafkaServers = None,
) -> None:
    """Serve the live page until SIGTERM or Ctrl-C: what happens now, lag, a listener's journey, dead letters, models.

    The first line of stdout is its address.  It shows what listeners do: keep it on this machine, or behind a proxy
    that knows who may see it.  Replaying from it takes MUSICREC_WEB__OPERATOR_TOKEN.
    """
    import uvloop

    settings = _settings(host, port, kafka)
    log_to_stderr(settings.log, "web")
    # It writes a hundred lines a second while a broker is away; the page's own line says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def _settings(host: str | None, port: int | None, kafka: str | None) -> Settings:
    settings = load_settings()
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(
        update={
            "web": settings.web.model_copy(update=chosen),
            "kafka": kafka_settings(kafka) or settings.kafka,
        }
    )


async def _serve(settings: Settings) -> None:
    with imports():
        from streams.closed_connections import pass_over_closed_connections
        from streams.web.server import serve

    pass_over_closed_connections(asyncio.get_running_loop())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with suppress(Unavailable):  # the page is served while Kafka is away; what only an operator can mend ends it
        may_replay = settings.web.operator_token is not None
        await check_access(settings.kafka, WEB.kafka_rules + (REPLAY_RULES if may_replay else ()))
    await serve(settings, on_address=lambda address: print(address, flush=True), stop=stop)
