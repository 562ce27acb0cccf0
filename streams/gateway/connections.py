"""What uvicorn leaves open: how many connections there may be, how slowly headers may come, and how to cut one off."""

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from musicrec.settings import GatewaySettings


def guarded_connection(settings: GatewaySettings) -> type[asyncio.Protocol]:
    """Return the protocol of a connection with the limits of `settings`."""

    class GuardedConnection(H11Protocol):
        """A connection on which no client can wait for ever before its request is whole."""

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            # The application finds it in `scope["state"]`: closing waits for a reader who may never read.
            self.app_state = {**app_state, "abort": lambda: self.transport.abort()}
            self._headers_timer: asyncio.TimerHandle | None = None
            self._is_websocket = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                transport.abort()
            else:
                self._wait_for_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()
            elif not self.transport.is_closing() and not self._is_websocket:
                # Also while a body comes that nobody reads any more, as it was answered before its end.
                self._wait_for_headers()

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._stop_waiting()
            self._is_websocket = True
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_headers(self) -> None:
            if self._headers_timer is None:
                self._headers_timer = self.loop.call_later(settings.headers_deadline_s, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._headers_timer is not None:
                self._headers_timer.cancel()
                self._headers_timer = None

    return GuardedConnection
