"""`musicrec gateway`: the contracts over HTTP and WebSocket."""

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from musicrec.access import GATEWAY
from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cli.imports import imports
from musicrec.client.events import now_ms
from musicrec.errors import BadInput, Incompatible, Unavailable
from musicrec.kafka_access import check_access
from musicrec.log_lines import log_to_stderr
from musicrec.settings import Settings, load_settings

DAY_MS = 86_400_000

TokensFile = Annotated[
    Path | None,
    typer.Option(
        "--file", help="File of hashes; MUSICREC_GATEWAY__TOKENS_FILE, or gateway-tokens.jsonl in the data folder."
    ),
]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; MUSICREC_GATEWAY__HOST or this machine.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one; MUSICREC_GATEWAY__PORT or 8500.")
    ] = None,
    kafka: KafkaServers = None,
) -> None:
    """Serve events, tracks and lists over HTTP and WebSocket until SIGTERM or Ctrl-C.

    The first line of stdout is its address.  Whoever comes needs a token of `musicrec gateway token`.
    """
    import uvloop

    settings = _settings(host, port, kafka)
    log_to_stderr(settings.log, "gateway")
    # They write a hundred lines a second while a broker is away; the gateway's own line says it once.
    for name in ("aiokafka", "musicrec.topic_follower"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def token(
    listener: Annotated[str | None, typer.Option(help="The listener whose token it is.")] = None,
    platform: Annotated[
        bool, typer.Option("--platform", help="A platform's: for every listener, and for the catalogue.")
    ] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="How long it holds; without end by default.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="In the place of MUSICREC_GATEWAY__TOKEN_REQUESTS_PER_MINUTE.")
    ] = None,
    note: Annotated[str, typer.Option(help="For whoever reads the file.")] = "",
    file: TokensFile = None,
) -> None:
    """Make a token and print it, once: the file keeps its hash alone.  A running gateway takes it at once."""
    from streams.gateway.tokens import append_grant, make_token

    if (listener is None) != platform:
        raise BadInput("say whose token it is: --listener ID or --platform")
    made = make_token(
        listener=listener,
        expires_at_ms=None if days is None else now_ms() + days * DAY_MS,
        requests_per_minute=requests_per_minute,
        note=note,
    )
    path = _tokens_file(file)
    try:
        append_grant(path, made.grant)
    except OSError as error:
        raise Incompatible(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(made.token)
    typer.echo(f"{path} keeps its hash as {made.grant.token_id}; the token itself is shown this once", err=True)


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The twelve digits after mr_, as the file has them.")],
    file: TokensFile = None,
) -> None:
    """Take a token back; its streams end within seconds, its requests at once."""
    from streams.gateway.tokens import remove_grant

    path = _tokens_file(file)
    if not remove_grant(path, token_id):
        raise BadInput(f"{path} holds no token {token_id!r}")
    typer.echo(f"{token_id} is taken back")


def _tokens_file(file: Path | None) -> Path:
    from streams.gateway.tokens import tokens_file

    return file or tokens_file(load_settings())


def _settings(host: str | None, port: int | None, kafka: str | None) -> Settings:
    settings = load_settings()
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(
        update={
            "gateway": settings.gateway.model_copy(update=chosen),
            "kafka": kafka_settings(kafka) or settings.kafka,
        }
    )


async def _serve(settings: Settings) -> None:
    try:
        with imports():
            from streams.gateway.server import serve as serve_http
    except ModuleNotFoundError as error:
        raise Incompatible(f"the gateway needs {error.name}: pip install 'musicrec[gateway]'") from error
    from streams.closed_connections import pass_over_closed_connections

    pass_over_closed_connections(asyncio.get_running_loop())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with suppress(Unavailable):  # it serves while Kafka is away; what only an operator can mend ends it
        await check_access(settings.kafka, GATEWAY.kafka_rules)
    await serve_http(settings, on_address=lambda address: print(address, flush=True), stop=stop)
