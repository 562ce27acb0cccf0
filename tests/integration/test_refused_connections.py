"""A start that Kafka or Redis refuses, or that refuses them, ends with one line: who, what, which variable to set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from conftest import start_worker
from pydantic import SecretStr
from secured_servers import PASSWORD, SecuredKafka, SecuredValkey, tls_before
from services import NO_REDIS, REFUSED, command, status_of

from musicrec.access import PUBLISHER, SESSION, TOPICS_COMMAND, WEB
from musicrec.local import StackAddresses
from musicrec.local.free_port import free_port
from musicrec.settings import RedisSettings

pytestmark = pytest.mark.kafka

WRONG = "wr0ng: p@ssword/7"
ANSWER_S = 20.0
"""A client that is left to itself tries for minutes."""


@dataclass(frozen=True)
class KafkaCase:
    """How a connection differs from one that is let in, and what has to be said then; `{}` is the server's address."""

    differs: Callable[[SecuredKafka], dict[str, Any]]
    says: tuple[str, ...]


KAFKA = {
    "wrong password": KafkaCase(
        lambda _: {"sasl_password": SecretStr(WRONG)},
        ("Kafka at {} refuses user 'musicrec-session': Authentication failed", "MUSICREC_KAFKA__SASL_PASSWORD"),
    ),
    "wrong password, the other mechanism": KafkaCase(
        lambda _: {"sasl_password": SecretStr(WRONG), "sasl_mechanism": "PLAIN"},
        ("Kafka at {} refuses user 'musicrec-session': Authentication failed", "MUSICREC_KAFKA__SASL_PASSWORD"),
    ),
    "unknown user": KafkaCase(
        lambda _: {"sasl_username": "nobody"},
        ("Kafka at {} refuses user 'nobody': Authentication failed", "MUSICREC_KAFKA__SASL_USERNAME"),
    ),
    "unknown mechanism": KafkaCase(
        lambda _: {"sasl_mechanism": "SCRAM-SHA-256"},
        ("Kafka at {} has no SCRAM-SHA-256 on this listener", "MUSICREC_KAFKA__SASL_MECHANISM"),
    ),
    "expired certificate": KafkaCase(
        lambda kafka: {"bootstrap_servers": kafka.address("EXPIRED")},
        ("Kafka at {} shows a certificate that is refused here: certificate has expired",),
    ),
    "certificate of another host": KafkaCase(
        lambda kafka: {"bootstrap_servers": kafka.address("ELSEWHERE")},
        ("refused here: IP address mismatch, certificate is not valid for '127.0.0.1'", "MUSICREC_KAFKA__BOOTSTRAP"),
    ),
    "certificate of an unknown authority": KafkaCase(
        lambda kafka: {"ssl_ca_file": kafka.certificates["EXPIRED"]},
        ("refused here: self-signed certificate", "MUSICREC_KAFKA__SSL_CA_FILE"),
    ),
    "TLS to a plain listener": KafkaCase(
        lambda kafka: {"bootstrap_servers": kafka.administrator.bootstrap_servers},
        ("Kafka at {} closes the connection", "MUSICREC_KAFKA__SECURITY_PROTOCOL is SASL_SSL"),
    ),
    "plain to a TLS listener": KafkaCase(
        lambda _: {"security_protocol": "PLAINTEXT"},
        ("Kafka at {} closes the connection", "MUSICREC_KAFKA__SECURITY_PROTOCOL is PLAINTEXT"),
    ),
    "TLS without SASL to a SASL listener": KafkaCase(
        lambda _: {"security_protocol": "SSL"},
        ("Kafka at {} closes the connection", "MUSICREC_KAFKA__SECURITY_PROTOCOL is SSL"),
    ),
    "SASL to a listener without": KafkaCase(
        lambda kafka: {
            "bootstrap_servers": kafka.administrator.bootstrap_servers,
            "security_protocol": "SASL_PLAINTEXT",
        },
        ("Kafka at {} has no SASL on this listener", "MUSICREC_KAFKA__SECURITY_PROTOCOL is SASL_PLAINTEXT"),
    ),
    "nobody listens": KafkaCase(
        lambda _: {"bootstrap_servers": f"127.0.0.1:{free_port()}"},
        ("Kafka at {} does not answer", "MUSICREC_KAFKA__BOOTSTRAP_SERVERS"),
    ),
    "no such host": KafkaCase(
        lambda _: {"bootstrap_servers": "broker.invalid:9092"},
        ("Kafka at {} cannot be reached", "MUSICREC_KAFKA__BOOTSTRAP_SERVERS"),
    ),
    "the first server is down, the second refuses": KafkaCase(
        lambda kafka: {
            "bootstrap_servers": f"127.0.0.1:{free_port()},{kafka.address()}",
            "sasl_password": SecretStr(WRONG),
        },
        ("refuses user 'musicrec-session'", "MUSICREC_KAFKA__SASL_PASSWORD"),
    ),
}


async def one_line_of(stack: StackAddresses, folder: Path, **environment: str) -> str:
    """Start a session worker that must be refused, and does not wait; return the one line that it says."""
    worker = start_worker(stack, folder, "session", MUSICREC_AGENT__START_DEADLINE_S="0", **environment)
    assert await status_of(worker, ANSWER_S) == REFUSED
    first, *lines = worker.log_file.read_text().splitlines()
    assert first == "session: starting"
    lines = [line for line in lines if "/livez" not in line]  # where it can be asked why it is not ready yet
    assert len(lines) == 1, lines
    assert PASSWORD not in lines[0]
    assert WRONG not in lines[0]
    return lines[0]


@pytest.mark.row(39)
@pytest.mark.parametrize("case", KAFKA.values(), ids=KAFKA.keys())
async def test_kafka_that_refuses_is_one_line_that_says_which_side_and_what_to_set(
    case: KafkaCase, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    kafka = secured_kafka.settings(SESSION.user, **case.differs(secured_kafka))

    line = await one_line_of(StackAddresses(kafka, NO_REDIS), tmp_path)

    assert line.startswith("musicrec: Kafka at ")
    for words in case.says:
        assert words.format(kafka.bootstrap_servers) in line


@dataclass(frozen=True)
class RedisCase:
    """Likewise for Redis, given the server, the port of TLS before it, and a certificate that may be trusted."""

    settings: Callable[[SecuredValkey, int, str], RedisSettings]
    says: tuple[str, ...]
    names: str = "DNS:localhost"
    ends: str = "20991231000000Z"


def _tls(valkey: SecuredValkey, port: int, certificate: str) -> RedisSettings:
    return valkey.settings(SESSION.user, port=port, ssl_ca_certs=certificate)


REDIS = {
    "wrong password": RedisCase(
        lambda valkey, *_: valkey.settings(SESSION.user, WRONG),
        ("Redis at {} refuses user 'musicrec-session': invalid username-password pair", "MUSICREC_REDIS__URL"),
    ),
    "unknown user": RedisCase(
        lambda valkey, *_: valkey.settings("nobody"),
        ("Redis at {} refuses user 'nobody': invalid username-password pair", "MUSICREC_REDIS__URL"),
    ),
    "no such database for this user": RedisCase(
        lambda valkey, *_: RedisSettings(
            url=SecretStr(valkey.settings(SESSION.user).url.get_secret_value().removesuffix("0") + "1")
        ),
        ("Redis at {} refuses user 'musicrec-session'", "'select'"),
    ),
    "expired certificate": RedisCase(
        _tls, ("shows a certificate that is refused here: certificate has expired",), ends="20210101000000Z"
    ),
    "certificate of another host": RedisCase(
        _tls,
        ("refused here: Hostname mismatch, certificate is not valid for 'localhost'", "MUSICREC_REDIS__URL"),
        names="DNS:redis.example.org",
    ),
    "certificate of an unknown authority": RedisCase(
        lambda valkey, port, _: valkey.settings(SESSION.user, port=port, ssl_cert_reqs="required"),
        ("refused here: self-signed certificate", "ssl_ca_certs"),
    ),
    "a file of certificates that is not there": RedisCase(
        lambda valkey, port, _: valkey.settings(SESSION.user, port=port, ssl_ca_certs="/not/there.pem"),
        ("MUSICREC_REDIS__URL names a file that cannot be read: No such file",),
    ),
    "an option that is none": RedisCase(
        lambda valkey, port, _: valkey.settings(SESSION.user, port=port, ssl_ca_cert="a.pem"),
        ("MUSICREC_REDIS__URL", "'ssl_ca_cert'"),
    ),
    "TLS to a plain server": RedisCase(
        lambda valkey, *_: valkey.settings(SESSION.user, ssl_cert_reqs="none"),
        ("Redis at {} does not answer", "MUSICREC_REDIS__URL"),
    ),
    "plain to TLS": RedisCase(
        lambda valkey, port, _: valkey.settings(SESSION.user, port=port),
        ("does not answer", "rediss:// where it speaks TLS"),
    ),
    "nobody listens": RedisCase(
        lambda valkey, *_: valkey.settings(SESSION.user, port=free_port()),
        ("does not answer", "MUSICREC_REDIS__URL"),
    ),
}


@pytest.mark.row(39)
@pytest.mark.parametrize("case", REDIS.values(), ids=REDIS.keys())
async def test_redis_that_refuses_is_one_line_that_says_which_side_and_what_to_set(
    case: RedisCase, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path / "certificate", names=case.names, ends=case.ends)
    async with SecuredValkey(tmp_path) as valkey, tls_before(valkey.port, certificate) as port:
        redis = case.settings(valkey, port, str(certificate))
        stack = StackAddresses(secured_kafka.settings(SESSION.user), redis)
        line = await one_line_of(stack, tmp_path, MUSICREC_REDIS__DEADLINE_S="1")

    for words in case.says:
        assert words.format(f"localhost:{valkey.port}") in line


@pytest.mark.row(39)
@pytest.mark.parametrize(
    ("service", "arguments"),
    [(TOPICS_COMMAND, ["topics"]), (PUBLISHER, ["replay", "events.jsonl"]), (WEB, ["web", "--port", "0"])],
    ids=["topics", "replay", "web"],
)
async def test_every_command_says_the_same(
    service: Any, arguments: list[str], secured_kafka: SecuredKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    wrong = secured_kafka.settings(service.user, sasl_password=SecretStr(WRONG))

    status, said = await command(StackAddresses(wrong, NO_REDIS), tmp_path, *arguments)

    assert status == REFUSED
    assert f"refuses user '{service.user}': Authentication failed" in said
    assert "Traceback" not in said
    assert WRONG not in said
