"""A variable that is misspelt, or whose value is none, is refused by its name with the way out."""

import os
import subprocess
import sys

import pytest

from embedder.settings import load_embedder_settings
from musicrec.environment import READ_ELSEWHERE, check_variables
from musicrec.errors import Incompatible
from musicrec.settings import Settings, load_settings

SECRET = "s3cr3t/with:signs@"


def check(**variables: str) -> None:
    check_variables(variables, Settings, elsewhere=READ_ELSEWHERE)


@pytest.mark.row(38)
@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("MUSICREC_KAFKA__BOOTSTRAP_SERVER", "MUSICREC_KAFKA__BOOTSTRAP_SERVERS"),
        ("MUSICREC_KAFKA_BOOTSTRAP_SERVERS", "MUSICREC_KAFKA__BOOTSTRAP_SERVERS"),
        ("MUSICREC_REDIS_URL", "MUSICREC_REDIS__URL"),
        ("MUSICREC_DATADIR", "MUSICREC_DATA_DIR"),
        ("MUSICREC_WEB_PORT", "MUSICREC_WEB__PORT"),
        ("musicrec_agent__instanceid", "MUSICREC_AGENT__INSTANCE_ID"),
    ],
)
def test_the_nearest_variable_is_named(misspelt: str, meant: str) -> None:
    with pytest.raises(Incompatible, match=f"^{misspelt}: there is no such setting, {meant} is the nearest;"):
        check(**{misspelt: SECRET})


def test_a_variable_that_is_near_to_none_is_named_alone() -> None:
    with pytest.raises(Incompatible, match=r"^MUSICREC_XYZZY: there is no such setting; `musicrec settings`"):
        check(MUSICREC_XYZZY="1")


def test_variables_that_others_read_pass() -> None:
    check(
        MUSICREC_DATA_DIR="/data",
        musicrec_kafka__bootstrap_servers="a:1",
        MUSICREC_KAFKA='{"bootstrap_servers": "a:1"}',
        MUSICREC_EMBEDDER_DECODERS="2",
        MUSICREC_TEST_KAFKA="a:1",
        MUSICREC_EVAL_DATA="/data",
        MUSICRECORDER="1",
        PATH="/bin",
    )


def test_links_to_services_that_kubernetes_puts_into_every_pod_pass() -> None:
    check(
        MUSICREC_WEB_SERVICE_HOST="10.0.0.7",
        MUSICREC_WEB_SERVICE_PORT="8400",
        MUSICREC_WEB_SERVICE_PORT_HTTP="8400",
        MUSICREC_WEB_PORT="tcp://10.0.0.7:8400",
        MUSICREC_WEB_PORT_8400_TCP="tcp://10.0.0.7:8400",
        MUSICREC_WEB_PORT_8400_TCP_PROTO="tcp",
        MUSICREC_WEB_PORT_8400_TCP_PORT="8400",
        MUSICREC_WEB_PORT_8400_TCP_ADDR="10.0.0.7",
    )


@pytest.mark.row(38, 40)
@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MUSICREC_KAFKA__BOOTSTRAP_SERVERS", "broker-1", "'broker-1' is not HOST:PORT; an example: broker-1:9092"),
        ("MUSICREC_KAFKA__BOOTSTRAP_SERVERS", "a:9092,b:99999", "'b:99999' is not HOST:PORT"),
        ("MUSICREC_KAFKA__BOOTSTRAP_SERVERS", "kafka://a:9092", "is not HOST:PORT"),
        ("MUSICREC_KAFKA__SECURITY_PROTOCOL", "TLS", "'PLAINTEXT', 'SSL'"),
        ("MUSICREC_KAFKA", "a:9092", "it is no JSON object; set MUSICREC_KAFKA__... one by one"),
        ("MUSICREC_REDIS__URL", "localhost:6379", "it is no Redis URL; an example: rediss://USER:PASSWORD@"),
        ("MUSICREC_REDIS__URL", f"redis://ada:{SECRET}@host:6379/0", "the password has %2F for /"),
        ("MUSICREC_REDIS__URL", f"https://ada:{SECRET}@host:6379/0", "it is no Redis URL"),
        ("MUSICREC_WEB__PORT", "99999", "less than or equal to 65535"),
        ("MUSICREC_AGENT__MAX_BATCH", "many", "valid integer"),
    ],
)
def test_a_value_that_is_none_is_refused_with_an_example_and_without_the_secret(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Incompatible) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{variable}: ")
    assert says in str(refused.value)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_addresses_may_have_spaces_between_them_and_be_of_version_6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICREC_KAFKA__BOOTSTRAP_SERVERS", "broker-1:9092, [::1]:9093")
    assert load_settings().kafka.client_options()["bootstrap_servers"] == ["broker-1:9092", "[::1]:9093"]


def test_the_embedder_names_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICREC_EMBEDDER_DECODER", "2")
    load_settings()
    with pytest.raises(Incompatible, match=r"^MUSICREC_EMBEDDER_DECODER: .*MUSICREC_EMBEDDER_DECODERS is the nearest"):
        load_embedder_settings()


@pytest.mark.row(38)
@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        (["worker", "session"], {"MUSICREC_REDIS_URL": "x"}, "musicrec: MUSICREC_REDIS_URL: there is no such setting"),
        (["topics"], {"MUSICREC_KAFKA__BOOTSTRAP_SERVERS": "x"}, "musicrec: MUSICREC_KAFKA__BOOTSTRAP_SERVERS: 'x'"),
        (["web", "--kafka", "x"], {}, "musicrec: --kafka: 'x' is not HOST:PORT"),
        (["up", "--redis", "x"], {}, "musicrec: --redis: it is no Redis URL"),
        (["settings"], {"MUSICREC_REDIS__URL": f"redis://:{SECRET}@h/0"}, "musicrec: MUSICREC_REDIS__URL: it is no"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_ends_with_status_2_and_one_line(arguments: list[str], variables: dict[str, str], line: str) -> None:
    command = [sys.executable, "-m", "musicrec.cli.main", *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
    assert "s3cr3t" not in done.stderr
