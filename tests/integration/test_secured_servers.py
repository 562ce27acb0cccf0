"""Agents on servers that ask who they are: SASL over TLS to Kafka, a password over TLS to Valkey."""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_or_fail, start_worker, until_ready
from probe import about, play, producing, publish_events, reading
from pydantic import SecretStr
from redis.asyncio import Redis

from musicrec.contracts import SessionSnapshot
from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.local import StackAddresses
from musicrec.local.free_port import free_port
from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import KafkaSettings, RedisSettings
from streams.topic_admin import create_missing_topics

pytestmark = pytest.mark.kafka

CERTIFICATE = Path(__file__).parents[1] / "unit" / "embedder" / "localhost_test_only.pem"
USER, PASSWORD = "musicrec", "correct horse"
SESSIONS = "musicrec.sessions.v1"


@asynccontextmanager
async def secured_kafka(folder: Path) -> AsyncIterator[str]:
    """Run a broker with a SASL_SSL listener beside the plain one; give the listener's address."""
    server = KafkaServer(folder)
    address = f"127.0.0.1:{free_port()}"
    jaas = "org.apache.kafka.common.security"
    server.properties = {
        "listeners": f"{server.listeners},SASL_SSL://{address}",
        "advertised.listeners": f"PLAINTEXT://{server.bootstrap_servers},SASL_SSL://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        ),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{jaas}.scram.ScramLoginModule required;",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(CERTIFICATE),
    }
    server.format_options = ["--add-scram", f'SCRAM-SHA-512=[name="{USER}",password="{PASSWORD}"]']
    try:
        await server.start()
    except MusicrecError as error:
        skip_or_fail(f"no Kafka: {error}")
    try:
        yield address
    finally:
        await server.stop()


@asynccontextmanager
async def secured_redis(folder: Path) -> AsyncIterator[str]:
    """Run Valkey with a password, behind a proxy that ends TLS; give the URL."""
    server = ValkeyServer(folder)
    await server.start()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)

    async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while block := await source.read(65_536):
            target.write(block)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer), return_exceptions=True)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        async with Redis.from_url(server.url) as admin:
            await admin.acl_setuser(USER, enabled=True, passwords=[f"+{PASSWORD}"], categories=["+@all"], keys=["*"])
            await admin.acl_setuser("default", enabled=False)
        port = proxy.sockets[0].getsockname()[1]
        yield f"rediss://{USER}:{PASSWORD.replace(' ', '%20')}@localhost:{port}/0?ssl_ca_certs={CERTIFICATE}"
    finally:
        proxy.close()
        await server.stop()


def kafka_settings(address: str, **fields: Any) -> KafkaSettings:
    values: dict[str, Any] = {
        "bootstrap_servers": address,
        "security_protocol": "SASL_SSL",
        "sasl_username": USER,
        "sasl_password": SecretStr(PASSWORD),
        "ssl_ca_file": CERTIFICATE,
    }
    return KafkaSettings(**(values | fields))


async def test_agents_work_with_sasl_and_tls_and_say_what_is_wrong_without(tmp_path: Path) -> None:
    user = f"listener {uuid.uuid4()}"
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(secured_kafka(tmp_path / "kafka"))
        redis = RedisSettings(url=SecretStr(await stack.enter_async_context(secured_redis(tmp_path / "valkey"))))
        await create_missing_topics(kafka_settings(address))
        for number, mechanism in enumerate(("SCRAM-SHA-512", "PLAIN"), start=1):
            secured = StackAddresses(kafka_settings(address, sasl_mechanism=mechanism), redis)
            worker = start_worker(secured, tmp_path, "session", mechanism)
            try:
                await until_ready(worker)
                async with reading(secured, SESSIONS, only=about(user)) as tail, producing(secured) as producer:
                    await publish_events(producer, [play(user, f"t{number}", number)])
                    await tail.until(lambda t: len(t.records) == 1)
            finally:
                await worker.stop()
            assert SessionSnapshot.decode(tail.records[0].value).revision == number
            assert PASSWORD not in worker.log_file.read_text()
        with pytest.raises(Unavailable, match=address):
            await create_missing_topics(kafka_settings(address, sasl_password=SecretStr("wrong")))
        with pytest.raises(Unavailable, match=address):  # the system's certificates do not know ours
            await create_missing_topics(kafka_settings(address, ssl_ca_file=None))


def test_settings_that_lack_the_user_are_refused_by_name() -> None:
    with pytest.raises(Incompatible, match="MUSICREC_KAFKA__SASL_USERNAME"):
        KafkaSettings(security_protocol="SASL_SSL").client_options()
    with pytest.raises(Incompatible, match="MUSICREC_KAFKA__SSL_"):
        KafkaSettings(security_protocol="SSL", ssl_ca_file=Path("/not/there.pem")).client_options()
