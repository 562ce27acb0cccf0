"""Whether Redis lets a service in and do what it is there for, asked before it begins.

Inside MULTI a server checks each command's rights as it queues it, and DISCARD forgets them all: nothing is touched.
"""

import ssl
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import AuthenticationError, MovedError, NoPermissionError, OutOfMemoryError, ResponseError

from musicrec.access import KEY, RedisAccess
from musicrec.errors import Incompatible, MusicrecError, Unavailable
from streams.redis_connection import RedisClient
from streams.redis_errors import REDIS_AWAY

VARIABLE = "MUSICREC_REDIS__URL"


async def check_redis(client: RedisClient, access: RedisAccess) -> None:
    """Connect, and ask for every command on every key pattern of `access`.

    Raises:
        Incompatible: the URL, the credentials, a certificate or a command is refused.
        Unavailable: the server does not answer.
    """
    if isinstance(client, RedisCluster):
        await _check_cluster(client, access)
        return
    pool: Any = client.connection_pool
    try:
        connection = await pool.get_connection()
        try:
            refused = await _refused_commands(connection, access)
        finally:
            await pool.release(connection)
    except (*REDIS_AWAY, TypeError, ValueError) as error:
        raise refusal(pool.connection_kwargs, error) from error
    _check(pool.connection_kwargs, refused)


async def _check_cluster(client: RedisCluster, access: RedisAccess) -> None:
    """Ask every node that holds keys."""
    named = next(iter(client.nodes_manager.startup_nodes.values()))
    about: dict[str, Any] = named.connection_kwargs | {"host": named.host, "port": named.port}
    try:
        await client.initialize()
        for node in client.get_primaries():
            about = node.connection_kwargs
            connection = node.acquire_connection()
            try:
                refused = await _refused_commands(connection, access)
            finally:
                node.release(connection)
            _check(about, refused)
    except (*REDIS_AWAY, TypeError, ValueError) as error:
        raise refusal(about, error) from error


def _check(connection: dict[str, Any], refused: dict[str, list[str]]) -> None:
    if refused:
        lacking = "; ".join(f"{', '.join(names)} on {pattern}" for pattern, names in refused.items())
        raise Incompatible(
            f"{_where(connection)} refuses {_user(connection)}: {lacking}; "
            "redis-users.acl in deploy/contracts has the rights"
        )


async def _refused_commands(connection: Any, access: RedisAccess) -> dict[str, list[str]]:
    """Return the commands that are refused, by key pattern."""

    async def say(*words: str) -> None:
        await connection.send_command(*words)
        await connection.read_response()

    await say("ping")
    await say("multi")
    refused: dict[str, list[str]] = {}
    for pattern in access.keys:
        key = pattern.removesuffix("*")
        for name, call in zip(access.commands, access.calls, strict=True):
            try:
                await say(*(key if word == KEY else word for word in call))
            except NoPermissionError:
                refused.setdefault(pattern, []).append(name)
            except (MovedError, OutOfMemoryError):
                pass  # allowed, and on another node; allowed, and for now there is no room
    await say("discard")
    return refused


def refusal(connection: dict[str, Any], error: Exception) -> MusicrecError:
    """Return the error that says who refused what, and which variable to set."""
    where = _where(connection)
    cause = error.__cause__ or error.__context__ or error
    match error:
        case AuthenticationError():
            return Incompatible(
                f"{where} refuses {_user(connection)}: {error}; set {VARIABLE}=redis://USER:PASSWORD@HOST:PORT/0"
            )
        case NoPermissionError():
            return Incompatible(
                f"{where} refuses {_user(connection)}: {error}; redis-users.acl in deploy/contracts has the rights"
            )
        case TypeError() | ValueError():
            return Incompatible(f"{VARIABLE} has an option that is none: {error}")
    match cause:
        case ssl.SSLCertVerificationError():
            return Incompatible(
                f"{where} shows a certificate that is refused here: {cause.verify_message}; {VARIABLE} has the host "
                "that it must be made out to, and the certificates to trust as ?ssl_ca_certs=FILE"
            )
        case ssl.SSLError():
            return Incompatible(f"{where} ends the TLS handshake: {cause.reason or cause}; is {VARIABLE} rediss://?")
        case FileNotFoundError() | PermissionError():
            return Incompatible(f"{VARIABLE} names a file that cannot be read: {cause.strerror}")
    if isinstance(error, ResponseError):
        return Unavailable(f"{where} answers {error}")
    return Unavailable(f"{where} does not answer: {error}; start it, or set {VARIABLE} (rediss:// where it speaks TLS)")


def _where(connection: dict[str, Any]) -> str:
    """Return the server's place, without the credentials that stand in its URL."""
    place = connection.get("path") or f"{connection.get('host', 'localhost')}:{connection.get('port', 6379)}"
    return f"Redis at {place}"


def _user(connection: dict[str, Any]) -> str:
    return f"user {connection.get('username') or 'default'!r}"
