"""The gateway's process: a socket, uvicorn on it, and an end in order."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from musicrec.errors import Incompatible, Unavailable
from musicrec.settings import GatewaySettings, Settings
from streams.gateway.app import application
from streams.gateway.connections import guarded_connection

MOST_HEADER_BYTES: Final = 32 * 1024
MOST_MESSAGE_BYTES: Final = 4 * 1024
"""Of what a WebSocket's reader sends, which is not read but for its end."""
SEND_BUFFER_BYTES: Final = 256 * 1024
"""Of the kernel, for a connection: it would grow to megabytes of lists that a slow reader does not read."""
KEEP_ALIVE_S: Final = 15
BACKLOG: Final = 512


class Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: whoever runs it says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(settings: Settings, *, on_address: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then end streams, answer what has come, and send what is on its way to Kafka.

    The server answers before Kafka does: `/readyz` says when it is there.

    Args:
        settings: `kafka` and `gateway`; port 0 takes a free one.
        on_address: called once with the address, when it can be asked.
        stop: ends it.

    Raises:
        Incompatible: the certificate, or the file of tokens, cannot be read.
        Unavailable: the address cannot be listened on.
    """
    own = settings.gateway
    app = application(settings)
    config = uvicorn.Config(
        app,
        http=guarded_connection(own),
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        ssl_certfile=own.tls_cert_file,
        ssl_keyfile=own.tls_key_file,
        proxy_headers=bool(own.trusted_proxies),
        forwarded_allow_ips=own.trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(own.stop_deadline_s)),
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
    )
    # Below errors it tells what anybody can make it tell: bad requests, addresses with queries.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_is_no_refused_handshake)
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise Incompatible(
            f"MUSICREC_GATEWAY__TLS_CERT_FILE (or _KEY_FILE): {own.tls_cert_file} cannot be read as PEM: {error}"
        ) from error
    server = Server(config)
    with _listening(own) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopped = asyncio.create_task(stop.wait())
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if not serving.done():
                on_address(_url(listener, "https" if own.tls_cert_file else "http"))
            await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
            app.state.gateway.broker.end_streams()
            server.should_exit = True
            await serving
        finally:
            stopped.cancel()


def _is_no_refused_handshake(record: logging.LogRecord) -> bool:
    """Pass over what uvicorn says whenever a WebSocket is answered with a status, as the protocol has it."""
    return "without completing handshake" not in record.msg


@contextlib.contextmanager
def _listening(settings: GatewaySettings) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"the gateway cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose with --host and "
            "--port (0: a free one)"
        ) from error
    with listener:
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        yield listener


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
