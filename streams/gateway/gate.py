"""Who is let in: a token, and an allowance that is not used up."""

import time
from typing import Final

from starlette.requests import HTTPConnection

from musicrec.client.events import now_ms
from musicrec.settings import GatewaySettings
from streams.gateway.problems import Problem
from streams.gateway.rate_limits import Allowance, RateLimits, address_key
from streams.gateway.tokens import Grant, Tokens

RECORDS_PER_REQUEST: Final = 50
"""So many records count as one request more."""
SUBPROTOCOL: Final = "musicrec.lists.v1"
TOKEN_SUBPROTOCOL: Final = "musicrec.token."
"""A page cannot set headers of a WebSocket, so its token may come as a subprotocol: addresses stand in logs."""


class Gate:
    """Knows tokens and allowances."""

    def __init__(self, settings: GatewaySettings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._limits = RateLimits()

    def admit(self, connection: HTTPConnection, token: str | None = None) -> Grant:
        """Return what the token of a request may do.

        Args:
            connection: the request.
            token: where it is not in the `Authorization` header.

        Raises:
            Problem: there is no token or none that holds (401), or it comes too often (429).
        """
        token = token_of(connection) if token is None else token
        grant = self._tokens.grant_of(token, now_ms()) if token else None
        if grant is None:
            self.count_stranger(connection)
            raise Problem(
                401,
                "unauthorized",
                "no such token, or it has expired" if token else "a token is needed: `Authorization: Bearer mr_...`",
                headers={"WWW-Authenticate": 'Bearer realm="musicrec"'},
            )
        self.charge(connection, grant, 1)
        return grant

    def count_stranger(self, connection: HTTPConnection) -> None:
        """Count a request without a token by its address.

        Raises:
            Problem: it comes too often (429).
        """
        self._take(connection, f"address {_address(connection)}", self._settings.address_requests_per_minute)

    def charge(self, connection: HTTPConnection, grant: Grant, cost: int) -> None:
        """Count requests of a token, or what counts as so many.

        Raises:
            Problem: they are more than its allowance has left (429).
        """
        per_minute = grant.requests_per_minute or self._settings.token_requests_per_minute
        if cost > 0:
            self._take(connection, f"token {grant.token_id}", per_minute, cost)

    def charge_records(self, connection: HTTPConnection, grant: Grant, records: int) -> None:
        """Count records beyond those that the request itself stands for; raises as `charge`."""
        self.charge(connection, grant, (records - 1) // RECORDS_PER_REQUEST)

    def holds(self, grant: Grant) -> bool:
        """Return whether a token that was let in would be let in now."""
        return self._tokens.holds(grant, now_ms())

    def _take(self, connection: HTTPConnection, key: str, per_minute: int, cost: int = 1) -> None:
        allowance = self._limits.take(key, per_minute, time.monotonic(), cost=cost)
        connection.state.allowance = allowance
        if allowance.retry_after_s is not None:
            raise Problem(
                429,
                "rate-limited",
                f"{per_minute} requests a minute are let in; come again in {allowance.retry_after_s} s",
                headers={"Retry-After": str(allowance.retry_after_s)},
            )


def token_of(connection: HTTPConnection) -> str | None:
    """Return the token of a request: after `Bearer`, `Token` as ListenBrainz has it, or as a subprotocol."""
    scheme, _, token = connection.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return token.strip() or None
    for name in connection.scope.get("subprotocols", ()):
        if name.startswith(TOKEN_SUBPROTOCOL):
            return str(name.removeprefix(TOKEN_SUBPROTOCOL))
    return None


def listener_of(grant: Grant, user_id: str | None) -> str:
    """Return whose lists are meant.

    Raises:
        Problem: the token is not theirs (403), or a platform's token names nobody (422).
    """
    listener = user_id if user_id is not None else grant.listener
    if listener is None:
        raise Problem(422, "invalid", "user_id: a platform's token has to name the listener", field="user_id")
    if not grant.acts_for(listener):
        raise Problem(
            403, "forbidden", f"user_id: this token is for listener {grant.listener!r} alone", field="user_id"
        )
    return listener


def allowance_of(scope_state: dict[str, object]) -> Allowance | None:
    """Return where a request's token or address stands, where that was looked at."""
    allowance = scope_state.get("allowance")
    return allowance if isinstance(allowance, Allowance) else None


def _address(connection: HTTPConnection) -> str:
    return address_key(connection.client.host if connection.client is not None else "unknown")
