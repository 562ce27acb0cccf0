"""Agents on servers that ask who they are: SASL over TLS to Kafka, a user and a password over TLS to Valkey."""

import uuid
from pathlib import Path

import pytest
from conftest import start_worker
from probe import about, play, producing, publish_events, reading
from secured_servers import PASSWORD, SecuredKafka, SecuredValkey, tls_before
from services import running, stack_of

from musicrec.access import OUTCOME, PUBLISHER, SESSION
from musicrec.contracts import SessionSnapshot
from musicrec.errors import Incompatible
from musicrec.local import StackAddresses
from musicrec.settings import KafkaSettings

SESSIONS = "musicrec.sessions.v1"


@pytest.mark.kafka
async def test_an_agent_works_with_either_mechanism_over_tls(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    user = f"listener {uuid.uuid4()}"
    certificate = secured_kafka.certificates["GOOD"]
    async with SecuredValkey(tmp_path) as valkey, tls_before(valkey.port, certificate) as port:
        redis = valkey.settings(SESSION.user, port=port, ssl_ca_certs=str(certificate))
        for number, mechanism in enumerate(("SCRAM-SHA-512", "PLAIN"), start=1):
            stack = StackAddresses(secured_kafka.settings(SESSION.user, sasl_mechanism=mechanism), redis)
            async with (
                running(start_worker(stack, tmp_path, "session", mechanism)) as (worker,),
                reading(stack_of(OUTCOME, secured_kafka), SESSIONS, only=about(user)) as tail,
                producing(stack_of(PUBLISHER, secured_kafka)) as producer,
            ):
                await publish_events(producer, [play(user, f"t{number}", number)])
                await tail.until(lambda t: len(t.records) == 1)
            assert SessionSnapshot.decode(tail.records[0].value).revision == number
            assert PASSWORD not in worker.log_file.read_text()


def test_settings_that_lack_the_user_are_refused_by_name() -> None:
    with pytest.raises(Incompatible, match="MUSICREC_KAFKA__SASL_USERNAME"):
        KafkaSettings(security_protocol="SASL_SSL").client_options()
    with pytest.raises(Incompatible, match="MUSICREC_KAFKA__SSL_"):
        KafkaSettings(security_protocol="SSL", ssl_ca_file=Path("/not/there.pem")).client_options()
