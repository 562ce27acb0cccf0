"""Passwords are in no log, no error, no output of a command and no header, at the most talkative level there is."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from aiokafka import ConsumerRecord
from conftest import until_ready
from probe import about, play, producing, publish, publish_events, reading
from pydantic import SecretStr
from secured_servers import PASSWORD, SecuredKafka, SecuredValkey
from services import GAVE_UP, NO_REDIS, REFUSED, stack_of, status_of

from musicrec.access import AGENTS, PUBLISHER, SESSION, WEB
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import free_port
from musicrec.settings import KafkaSettings

LISTENS = "musicrec.listens.v1"
FORMS = {PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD), repr(PASSWORD.encode())[2:-1]}
"""As it is, in a URL, and as bytes are shown."""

TALKATIVE = "import logging; logging.basicConfig(level=logging.DEBUG); from musicrec.cli.main import main; main()"
"""`musicrec` with every record of every library in the log."""


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        for form in FORMS:
            place = text.find(form)
            assert place < 0, f"...{text[max(0, place - 200) : place + 100]}"


def talkative_worker(stack: StackAddresses, folder: Path, agent: str, **environment: str) -> ChildProcess:
    """Start a worker that logs all it can."""
    variables = stack.environment() | {"MUSICREC_DATA_DIR": str(folder / agent), "PYTHONASYNCIODEBUG": "1"}
    program = [sys.executable, "-c", TALKATIVE, "worker", agent, "--verbose"]
    return ChildProcess.start(agent, program, folder / f"{agent}.log", variables | environment)


def headers_as_text(record: ConsumerRecord) -> str:
    return " ".join(f"{name}={value.decode(errors='replace')}" for name, value in record.headers)


MECHANISMS = ("SCRAM-SHA-512", "PLAIN")
"""The second one sends the password itself."""


@pytest.mark.row(40)
@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_worker_that_dead_letters_retries_and_gives_up_tells_no_secret(
    mechanism: str, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    async with SecuredValkey(tmp_path) as valkey:
        kafka = secured_kafka.settings(SESSION.user, sasl_mechanism=mechanism)
        stack = StackAddresses(kafka, valkey.settings(SESSION.user))
        worker = talkative_worker(stack, tmp_path, "session", MUSICREC_AGENT__RETRY_DEADLINE_S="1")
        try:
            await until_ready(worker)
            async with (
                reading(stack_of(WEB, secured_kafka), f"{LISTENS}.dlq", only=about(user)) as letters,
                producing(stack_of(PUBLISHER, secured_kafka)) as producer,
            ):
                await publish(producer, LISTENS, [(user.encode(), b"no event"), (user.encode(), b"{}")])
                await letters.until(lambda t: len(t.records) == 2)
                await valkey.set_user(SESSION.user, SESSION.redis, "-hget")  # type: ignore[arg-type]
                await publish_events(producer, [play(user, "t1", 1)])
                assert await status_of(worker) == GAVE_UP
        finally:
            await worker.stop()
        # What was left behind would trouble the next worker of this group.
        await valkey.set_user(SESSION.user, SESSION.redis)  # type: ignore[arg-type]
    log = worker.log_file.read_text()
    assert "DEBUG" in log
    assert "SaslHandShake" in log
    assert "no permissions" in log
    assert "Traceback" in log
    assert_no_secret(log, *map(headers_as_text, letters.records))


@pytest.mark.row(40)
@pytest.mark.kafka
@pytest.mark.parametrize("agent", ["ranking", "outcome", pytest.param("embedder", marks=pytest.mark.torch)])
async def test_a_worker_that_starts_and_stops_tells_no_secret(
    agent: str, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    async with SecuredValkey(tmp_path) as valkey:
        kafka = secured_kafka.settings(AGENTS[agent].user, sasl_mechanism="PLAIN")
        redis = stack_of(AGENTS[agent], secured_kafka, valkey).redis
        worker = talkative_worker(StackAddresses(kafka, redis), tmp_path, agent)
        try:
            await until_ready(worker)
        finally:
            await worker.stop()
    log = worker.log_file.read_text()
    assert "SaslHandShake" in log
    assert_no_secret(log)


@pytest.mark.row(40)
@pytest.mark.kafka
@pytest.mark.parametrize(
    ("agent", "mechanism"), [("session", "SCRAM-SHA-512"), *((agent, "PLAIN") for agent in AGENTS)]
)
async def test_a_worker_that_is_refused_tells_no_secret(
    agent: str, mechanism: str, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """The password is right and the user is not: what is sent must not be told either."""
    kafka = secured_kafka.settings("nobody", sasl_mechanism=mechanism)
    worker = talkative_worker(StackAddresses(kafka, NO_REDIS), tmp_path, agent)
    assert await status_of(worker) == REFUSED
    assert "refuses user 'nobody'" in worker.log_file.read_text()
    assert_no_secret(worker.log_file.read_text())


@pytest.mark.row(40)
@pytest.mark.kafka
@pytest.mark.parametrize("agent", ["session", "outcome"])
async def test_a_worker_that_redis_refuses_tells_no_secret(
    agent: str, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    async with SecuredValkey(tmp_path) as valkey:
        for redis in (valkey.settings("nobody"), valkey.settings("nobody", port=free_port())):
            stack = StackAddresses(secured_kafka.settings(AGENTS[agent].user), redis)
            # It says why it waits, and then why it ends.
            worker = talkative_worker(stack, tmp_path, agent, MUSICREC_AGENT__START_DEADLINE_S="1")
            assert await status_of(worker) == REFUSED
            assert "musicrec: Redis at localhost:" in worker.log_file.read_text()
            assert_no_secret(worker.log_file.read_text())


@pytest.mark.row(40)
@pytest.mark.kafka
async def test_the_addresses_that_up_prints_are_without_the_secrets_that_it_was_given(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    async with SecuredValkey(tmp_path) as valkey:
        kafka = secured_kafka.settings("musicrec-topics")
        url = valkey.settings(SESSION.user).url.get_secret_value()
        variables = StackAddresses(kafka, NO_REDIS).environment()
        program = [sys.executable, "-c", TALKATIVE, "up", "--kafka", kafka.bootstrap_servers, "--redis", url]
        up = ChildProcess.start("up", [*program, "--data-dir", tmp_path / "data"], tmp_path / "up.log", variables)
        try:
            async with asyncio.timeout(60):
                while "are up" not in up.log_file.read_text():
                    up.check_alive()
                    await asyncio.sleep(0.05)
        finally:
            up.signal(signal.SIGTERM)
            await up.stop()
    said = up.log_file.read_text()
    assert f"export MUSICREC_KAFKA__BOOTSTRAP_SERVERS={kafka.bootstrap_servers}" in said
    assert "MUSICREC_KAFKA__SASL_PASSWORD" in said
    assert "MUSICREC_REDIS__URL" in said
    assert_no_secret(said)


@pytest.mark.row(40)
def test_settings_hide_what_is_secret() -> None:
    variables = {
        "MUSICREC_KAFKA__SASL_PASSWORD": PASSWORD,
        "MUSICREC_REDIS__URL": f"redis://ada:{quote(PASSWORD, safe='')}@redis-1:6379/0",
    }
    done = subprocess.run(
        [sys.executable, "-c", TALKATIVE, "settings"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "MUSICREC_KAFKA__SASL_PASSWORD=(secret)" in done.stdout
    assert "MUSICREC_REDIS__URL=(secret)" in done.stdout
    assert_no_secret(done.stdout, done.stderr)


@pytest.mark.row(40)
def test_a_secret_is_hidden_wherever_the_settings_are_shown() -> None:
    kafka = KafkaSettings(sasl_password=SecretStr(PASSWORD))
    assert_no_secret(repr(StackAddresses(kafka, NO_REDIS)), str(kafka.model_dump()), kafka.model_dump_json())
