"""Servers that ask who comes and what for: Kafka with users and access lists, Valkey with users, TLS before both."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from certificates import self_signed
from pydantic import SecretStr
from redis.asyncio import Redis

from musicrec.access import SERVICES, KafkaRule, Operation, RedisAccess, Resource
from musicrec.documents.access_lists import kafka_acls_script, redis_rules
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_access import check_access
from musicrec.kafka_connection import connected
from musicrec.local.free_port import free_port
from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import KafkaSettings, RedisSettings

PASSWORD = "p@ss:w/rd 7?#é"
"""Of every user: with what a URL, a property file and a log must not trip over."""
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required {users};"

RESOURCE_CODES = {Resource.TOPIC: 2, Resource.GROUP: 3}
OPERATION_CODES = {Operation.READ: 3, Operation.WRITE: 4, Operation.CREATE: 5, Operation.DESCRIBE: 8}
LITERAL, PREFIXED, ALLOW = 3, 4, 3


class SecuredKafka:
    """A broker with a SASL_SSL listener per certificate, users for all services, and an authorizer that allows nothing.

    Whoever comes over the plain listener of this machine is its administrator.
    """

    def __init__(self, folder: Path) -> None:
        self._server = KafkaServer(folder / "kafka")
        self.certificates = {
            "GOOD": self_signed(folder / "good"),
            "EXPIRED": self_signed(folder / "expired", ends="20210101000000Z"),
            "ELSEWHERE": self_signed(folder / "elsewhere", names="DNS:broker.example.org"),
        }
        self.trusted = folder / "trusted.pem"
        self.trusted.write_text("".join(certificate.read_text() for certificate in self.certificates.values()))
        self._listeners = {name: f"127.0.0.1:{free_port()}" for name in self.certificates}
        own = "".join(f",{name}://{address}" for name, address in self._listeners.items())
        self._server.properties = {
            "listeners": self._server.listeners + own,
            "advertised.listeners": f"PLAINTEXT://{self._server.bootstrap_servers}{own}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
            + "".join(f",{name}:SASL_SSL" for name in self._listeners),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
        }
        # Java reads property files as Latin-1.
        password = PASSWORD.replace("é", "\\u00e9")
        users = " ".join(f'user_{service.user}="{password}"' for service in SERVICES)
        for name, certificate in self.certificates.items():
            listener = f"listener.name.{name.lower()}"
            self._server.properties |= {
                f"{listener}.ssl.keystore.type": "PEM",
                f"{listener}.ssl.keystore.location": str(certificate),
                f"{listener}.scram-sha-512.sasl.jaas.config": SCRAM,
                f"{listener}.plain.sasl.jaas.config": PLAIN.format(users=users),
            }
        for service in SERVICES:
            self._server.format_options += [
                "--add-scram",
                f'SCRAM-SHA-512=[name="{service.user}",password="{PASSWORD}"]',
            ]

    @property
    def administrator(self) -> KafkaSettings:
        """The plain listener."""
        return KafkaSettings(bootstrap_servers=self._server.bootstrap_servers)

    def address(self, listener: str = "GOOD") -> str:
        """Return HOST:PORT of a listener."""
        return self._listeners[listener]

    def settings(self, user: str, listener: str = "GOOD", **fields: Any) -> KafkaSettings:
        """Return the connection of a user."""
        values: dict[str, Any] = {
            "bootstrap_servers": self.address(listener),
            "security_protocol": "SASL_SSL",
            "sasl_username": user,
            "sasl_password": SecretStr(PASSWORD),
            "ssl_ca_file": self.trusted,
        }
        return KafkaSettings(**(values | fields))

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def allow(self, user: str, rules: Iterable[KafkaRule]) -> None:
        """Give rights, as Kafka's own command does."""
        async with connected(self.administrator) as connection:
            for rule in rules:
                ((code, message),) = (await connection.send(CreateAclsRequest(*_acl(user, rule)))).creation_responses
                assert code == 0, message

    async def forbid(self, user: str, rules: Iterable[KafkaRule]) -> None:
        """Take rights away."""
        async with connected(self.administrator) as connection:
            for rule in rules:
                ((code, message, matched),) = (
                    await connection.send(DeleteAclsRequest(*_acl(user, rule)))
                ).filter_responses
                assert code == 0, message
                assert len(matched) == 1, f"{user} did not have {rule}"

    async def until(self, user: str, rules: Iterable[KafkaRule], *, allowed: bool, deadline_s: float = 90.0) -> str:
        """Wait until the broker allows or refuses; return what the refusal says."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            refusal = ""
            with suppress(Unavailable):  # a topic that does not exist, which is not refused either
                try:
                    await check_access(self.settings(user), list(rules))
                except Incompatible as error:
                    refusal = str(error)
            if bool(refusal) != allowed:
                return refusal
            await asyncio.sleep(0.02)
        raise AssertionError(f"{user}: not {'allowed' if allowed else 'refused'} in {deadline_s} s")


def _acl(user: str, rule: KafkaRule) -> tuple[int, str, int, str, str, int, int]:
    operation = OPERATION_CODES[rule.operation]
    pattern = PREFIXED if rule.prefixed else LITERAL
    return RESOURCE_CODES[rule.resource], rule.name, pattern, f"User:{user}", "*", operation, ALLOW


def rules_given_by_the_script(folder: Path) -> dict[str, set[KafkaRule]]:
    """Run `kafka-acls.sh` with a command that writes down what it is asked for; return it by user."""
    command = folder / "kafka-acls"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    variables = {"KAFKA_ACLS": str(command)}
    done = subprocess.run(["sh"], input=kafka_acls_script(), env=variables, capture_output=True, text=True, check=True)
    given: dict[str, set[KafkaRule]] = {}
    for line in done.stdout.splitlines():
        add, principal_option, principal, operation_option, operation, *resources = line.split()
        assert (add, principal_option, operation_option) == ("--add", "--allow-principal", "--operation")
        rules = given.setdefault(principal.removeprefix("User:"), set())
        if prefixed := resources[:2] == ["--resource-pattern-type", "prefixed"]:
            resources = resources[2:]
        for kind, name in zip(resources[::2], resources[1::2], strict=True):
            rules.add(KafkaRule(Resource(kind.removeprefix("--")), name, Operation(operation), prefixed))
    return given


class SecuredValkey:
    """Valkey with the users of `redis-users.acl`; use it as an async context."""

    def __init__(self, folder: Path) -> None:
        self._server = ValkeyServer(folder / "valkey")

    async def __aenter__(self) -> "SecuredValkey":
        await self._server.start()
        self.administrator = Redis.from_url(self._server.url)
        for service in SERVICES:
            if service.redis is not None:
                await self.set_user(service.user, service.redis, reads=service.redis_reads)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.administrator.aclose()
        await self._server.stop()

    @property
    def port(self) -> int:
        """Of the plain listener."""
        return self._server.port

    async def set_user(self, user: str, access: RedisAccess, *changes: str, reads: RedisAccess | None = None) -> None:
        """Give a user the rules of the table, then changes to them."""
        rules = ["reset", "on", f">{PASSWORD}", *redis_rules(access, reads).split(), *changes]
        await self.administrator.execute_command("ACL", "SETUSER", user, *rules)

    def settings(
        self, user: str, password: str = PASSWORD, *, port: int | None = None, **options: str
    ) -> RedisSettings:
        """Return the connection of a user; `options` go over TLS."""
        return RedisSettings(url=SecretStr(redis_url(user, password, port or self.port, **options)))


def redis_url(user: str, password: str, port: int, **options: str) -> str:
    """Return the URL of a user; with options it is one over TLS."""
    from urllib.parse import quote, urlencode

    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return (
        f"redis{'s' if options else ''}://{credentials}@localhost:{port}/0{'?' if options else ''}{urlencode(options)}"
    )


@asynccontextmanager
async def tls_before(port: int, certificate: Path) -> AsyncIterator[int]:
    """Run a proxy that ends TLS before a plain server; give its port."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)

    async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while block := await source.read(65_536):
            target.write(block)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer), return_exceptions=True)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield proxy.sockets[0].getsockname()[1]
    finally:
        proxy.close()
