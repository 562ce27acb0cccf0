"""A single-node Apache Kafka (KRaft) in one folder.

Folder layout: `server.properties`, `cluster-id`, `data/` (the log), and the broker's output in `kafka.log` beside it.
"""

import asyncio
import base64
import signal
import subprocess
import time
from pathlib import Path
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from musicrec.errors import Unavailable
from musicrec.local.child_process import ChildProcess
from musicrec.local.class_archive import ClassArchive
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.local.java import find_java
from musicrec.local.kafka_jars import kafka_class_path

START_DEADLINE_S = 90.0
"""The broker answers after 3 s on a quiet machine; after a kill -9 it first recovers its log."""

STOPPED_IN_ORDER = 128 + signal.SIGTERM
"""Status of a JVM whose shutdown hooks have run to their end after SIGTERM."""


class KafkaServer:
    """The embedded broker."""

    def __init__(self, folder: Path, *, port: int | None = None, heap_mib: int = 512) -> None:
        self.folder = folder
        self.properties: dict[str, str] = {}
        """Broker settings beside ours, or instead of them: a further listener, say."""
        self.format_options: list[str] = []
        """Options of Kafka's storage tool for the first start: users, say."""
        self.port = free_port(port)
        self.cluster_id = _new_cluster_id()
        """Brokers of one cluster share it."""
        self._controller_port = free_port()
        self._heap_mib = heap_mib
        self._process: ChildProcess | None = None
        self._classes: ClassArchive | None = None

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def controller(self) -> str:
        """HOST:PORT of its controller."""
        return f"{LOOPBACK}:{self._controller_port}"

    @property
    def listeners(self) -> str:
        """Kafka's `listeners` without further ones."""
        return f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{self.controller}"

    @property
    def process(self) -> ChildProcess:
        """The running broker.

        Raises:
            Unavailable: it was not started.
        """
        if self._process is None:
            raise Unavailable("the embedded Kafka is not running: start it first")
        return self._process

    async def start(self) -> None:
        """Format the folder where needed, start the broker, and wait until it answers.

        Raises:
            Unavailable: it ended or did not answer; carries the end of its log.
        """
        java, class_path = await asyncio.to_thread(lambda: (find_java(), kafka_class_path()))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_properties()
        self._classes = classes = ClassArchive(java, class_path, self.folder)
        start: list[str | Path] = [java, *classes.options_to_read(), "-cp", class_path]
        await asyncio.to_thread(self._format_if_needed, start)
        start = [java, *classes.options_to_read_or_make(), *self._jvm_options(), "-cp", class_path]
        self._process = ChildProcess.start(
            "Kafka", [*start, "kafka.Kafka", self.folder / "server.properties"], self.folder / "kafka.log"
        )
        await self._wait_until_it_answers()

    async def stop(self) -> None:
        """Stop the broker; it flushes its log first."""
        if self._process is not None:
            await self._process.stop(grace_s=30.0)
            if self._classes is not None and self._process.returncode == STOPPED_IN_ORDER:
                await asyncio.to_thread(self._classes.keep)
            self._process = None

    def _jvm_options(self) -> list[str]:
        return [
            "-Xms256m",
            f"-Xmx{self._heap_mib}m",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.BrokerServer=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        ]

    def _write_properties(self) -> None:
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.controller}",
            "listeners": self.listeners,
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": (self.folder / "data").resolve(),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "log.segment.bytes": 64 * 1024 * 1024,
            "log.index.size.max.bytes": 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        text = "".join(f"{key}={value}\n" for key, value in (properties | self.properties).items())
        (self.folder / "server.properties").write_text(text)

    def _format_if_needed(self, start: list[str | Path]) -> None:
        data = self.folder / "data"
        if (data / "meta.properties").exists():
            return
        if data.exists() and any(data.iterdir()):
            # A kill in the middle of formatting leaves a folder without its identity; Kafka would refuse it for ever.
            data.rename(data.with_name(f"data.unfinished-{time.time_ns()}"))
        command = [*start, "kafka.tools.StorageTool", "format"]
        command += ["-t", self.cluster_id, "-c", self.folder / "server.properties", "--ignore-formatted"]
        command += self.format_options
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_DEADLINE_S, check=False)
        if done.returncode != 0:
            raise Unavailable(f"cannot format {data}: {(done.stderr or done.stdout).strip()[-600:]}")

    async def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            self.process.check_alive()
            if await self.answers():
                return
            await asyncio.sleep(0.1)
        tail = self.process.log_tail()
        await self.stop()
        raise Unavailable(f"Kafka did not answer on {self.bootstrap_servers} in {START_DEADLINE_S:.0f} s:\n{tail}")

    async def answers(self) -> bool:
        """Whether the broker answers an admin request now."""
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(LOOPBACK, self.port), 1.0)
        except (OSError, TimeoutError):
            return False  # not listening yet: cheaper to find out than with a client that logs and retries
        writer.close()
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=3_000)
        try:
            await client.start()
            await client.describe_cluster()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await client.close()
        return True


def _new_cluster_id() -> str:
    """Return a new cluster id: a random UUID in Kafka's URL-safe base64 form, which must not begin with a dash."""
    while True:
        encoded = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        if not encoded.startswith("-"):
            return encoded
