"""A real schema registry: Apicurio's, of the Java registry, checked against the sum below; it keeps all in memory."""

import asyncio
import fcntl
import hashlib
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from musicrec.errors import Incompatible, Unavailable
from musicrec.local.child_process import ChildProcess
from musicrec.local.class_archive import ClassArchive
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.local.java import find_java
from musicrec.local.kafka_jars import user_cache_dir
from musicrec.local.kafka_server import STOPPED_IN_ORDER

VERSION = "3.0.9"
"""109 MB; of the later ones each archive has 159."""
SHA256 = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"
START_DEADLINE_S = 90.0
API = "/apis/ccompat/v7"


def registry_folder() -> Path:
    """Return the unpacked release, fetching it first where the cache lacks it.

    Raises:
        Unavailable: the Java registry does not answer.
        Incompatible: what it sent differs from the sum.
    """
    folder = user_cache_dir() / f"apicurio-registry-{VERSION}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "apicurio.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes begin at once
        if not folder.is_dir():
            _unpack(_archive(), folder)
    return folder


def _archive() -> Path:
    from jgo.maven import MavenContext

    try:
        context = MavenContext(repo_cache=user_cache_dir() / "jgo", timeout=120)
        release = context.project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
        archive = release.artifact(classifier="all", packaging="tar.gz").resolve()
    except Exception as error:
        raise Unavailable(f"cannot resolve Apicurio Registry {VERSION} from the Java registry: {error!r}") from error
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != SHA256:
        archive.unlink()
        raise Incompatible(f"{archive.name}: sha256 {digest}, not {SHA256}")
    return archive


def _unpack(archive: Path, folder: Path) -> None:
    part = folder.with_name(f".{folder.name}")
    with tarfile.open(archive) as content:
        content.extractall(part, filter="data")
    part.rename(folder)
    archive.unlink()


class RegistryServer:
    """The registry's process."""

    def __init__(self, folder: Path, **properties: str) -> None:
        self._folder = folder
        self._properties = properties
        self._process: ChildProcess | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Its Confluent-compatible API."""
        return f"http://{LOOPBACK}:{self.port}{API}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        java, release = await asyncio.to_thread(lambda: (find_java(), registry_folder()))
        (jar,) = release.glob("*-runner.jar")
        self._classes = ClassArchive(java, str(jar), self._folder)
        options = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": str(self.port),
            "quarkus.http.access-log.enabled": "false",
            "apicurio.rest.artifact.deletion.enabled": "true",
            **self._properties,
        }
        command = [java, "-XX:TieredStopAtLevel=1", "-Xmx384m", *self._classes.options_to_read_or_make()]
        command += [f"-D{name}={value}" for name, value in options.items()]
        self._process = ChildProcess.start("Apicurio", [*command, "-jar", jar], self._folder / "registry.log")
        deadline = time.monotonic() + START_DEADLINE_S
        while not await self._answers():
            self._process.check_alive()
            if time.monotonic() > deadline:
                raise Unavailable(f"the registry does not answer:\n{self._process.log_tail()}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            await self._process.stop(grace_s=60.0)  # the first one writes its archive of classes
            if self._process.returncode == STOPPED_IN_ORDER:
                await asyncio.to_thread(self._classes.keep)
            self._process = None

    async def _answers(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/subjects") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False


@asynccontextmanager
async def registry_server(folder: Path, **properties: str) -> AsyncIterator[RegistryServer]:
    """Give a running registry."""
    server = RegistryServer(folder, **properties)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
