"""A connection to Kafka that says why it was refused: which side, and the variable to mend it with.

Clients of aiokafka log why a broker refused them and raise that none could be reached, or try again in silence.  So the
first question is put on a connection of our own, once, at the start.
"""

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.settings import KafkaSettings

DEADLINE_MS: Final = 10_000
"""For each step of one connection: TCP and TLS, each answer. A broker that is up answers in milliseconds."""

PROTOCOL: Final = "MUSICREC_KAFKA__SECURITY_PROTOCOL"
SERVERS: Final = "MUSICREC_KAFKA__BOOTSTRAP_SERVERS"


@asynccontextmanager
async def connected(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConnection]:
    """Give a connection to a broker of the cluster, at the address under which clients will look for it.

    Raises:
        Incompatible: a server refuses the credentials, or its certificate is refused here.
        Unavailable: no server answers.
    """
    options = kafka.client_options()
    connection = await _first_connection(options.pop("bootstrap_servers"), options, kafka)
    try:
        yield connection
    finally:
        connection.close()


async def check_connection(kafka: KafkaSettings) -> None:
    """Connect once, for what `connected` raises."""
    async with connected(kafka):
        pass


async def _first_connection(servers: list[str], options: dict[str, Any], kafka: KafkaSettings) -> AIOKafkaConnection:
    refusals: list[MusicrecError] = []
    for server in servers:
        try:
            connection, advertised = await _connect(server, options, kafka)
            if advertised != server:
                connection.close()
                connection, _ = await _connect(advertised, options, kafka)
            return connection
        except MusicrecError as error:
            refusals.append(error)
    # What an operator has to mend says more than that another server is down.
    raise next((error for error in refusals if isinstance(error, Incompatible)), refusals[-1])


async def _connect(server: str, options: dict[str, Any], kafka: KafkaSettings) -> tuple[AIOKafkaConnection, str]:
    """Return a connection, and the address that the server gives for a broker of its cluster."""
    host, _, port = server.rpartition(":")
    connection: AIOKafkaConnection | None = None
    try:
        connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=DEADLINE_MS, **options)
        # A listener that wants SASL answers anybody's first request, and closes on the second.
        brokers = (await connection.send(MetadataRequest([]))).brokers
    except (KafkaError, OSError, TimeoutError) as error:
        if connection is not None:
            connection.close()
        raise refusal(server, error, kafka) from error
    return connection, f"{brokers[0][1]}:{brokers[0][2]}" if brokers else server


def refusal(server: str, error: Exception, kafka: KafkaSettings) -> MusicrecError:
    """Return the error that says who refused what, and which variable to set."""
    where, cause = f"Kafka at {server}", error.__cause__ or error
    match cause:
        case AuthenticationFailedError() | SaslAuthenticationFailed():
            return Incompatible(
                f"{where} refuses user {kafka.sasl_username!r}: {_text(cause)}; "
                "set MUSICREC_KAFKA__SASL_USERNAME and MUSICREC_KAFKA__SASL_PASSWORD"
            )
        case UnsupportedSaslMechanismError():
            return Incompatible(
                f"{where} has no {kafka.sasl_mechanism} on this listener: set MUSICREC_KAFKA__SASL_MECHANISM"
            )
        case IllegalSaslStateError():
            return Incompatible(f"{where} has no SASL on this listener: {PROTOCOL} is {kafka.security_protocol}")
        case ssl.SSLCertVerificationError():
            return Incompatible(
                f"{where} shows a certificate that is refused here: {cause.verify_message}; {SERVERS} has the host "
                "that it must be made out to, MUSICREC_KAFKA__SSL_CA_FILE the certificates to trust"
            )
        case ssl.SSLError():
            return Incompatible(
                f"{where} ends the TLS handshake: {cause.reason or cause}; {PROTOCOL} is {kafka.security_protocol}: "
                "a plain listener, or one that asks for MUSICREC_KAFKA__SSL_CERT_FILE?"
            )
        case ConnectionRefusedError() | TimeoutError():
            return Unavailable(f"{where} does not answer: {_text(cause)}; start it, or set {SERVERS}")
        case OSError() if not isinstance(cause, ConnectionError):
            return Unavailable(f"{where} cannot be reached: {_text(cause)}; set {SERVERS}")
        case _:
            return Unavailable(
                f"{where} closes the connection ({type(cause).__name__}); {PROTOCOL} is {kafka.security_protocol}: "
                "is that what its listener speaks?"
            )


def _text(error: BaseException) -> str:
    """Return the message without what aiokafka writes before it."""
    return re.sub(r"^\[Error \d+\] \w+: ", "", str(error)) or type(error).__name__
