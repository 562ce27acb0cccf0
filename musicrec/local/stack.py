"""Kafka and Valkey together: one folder, one start, one clean stop."""

import asyncio
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from musicrec.errors import Unavailable
from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import KafkaSettings, RedisSettings


@dataclass(frozen=True, slots=True)
class StackAddresses:
    """Where the stack listens."""

    kafka: KafkaSettings
    redis: RedisSettings

    def environment(self) -> dict[str, str]:
        """Return the variables that point a child process of ours at this stack."""
        variables = {
            f"MUSICREC_KAFKA__{k.upper()}": str(v) for k, v in self.kafka.model_dump(exclude_unset=True).items()
        }
        if self.kafka.sasl_password is not None:
            variables["MUSICREC_KAFKA__SASL_PASSWORD"] = self.kafka.sasl_password.get_secret_value()
        return variables | {"MUSICREC_REDIS__URL": self.redis.url.get_secret_value()}

    def secrets(self) -> set[str]:
        """Return those of the variables that hold a password."""
        found = {"MUSICREC_KAFKA__SASL_PASSWORD"} if self.kafka.sasl_password is not None else set()
        url = self.redis.url.get_secret_value()
        return found | ({"MUSICREC_REDIS__URL"} if "@" in url or "password=" in url else set())


class EmbeddedStack:
    """The embedded servers; parts that exist elsewhere are passed in and left alone.

    Use as an async context manager: servers that were started here are stopped at the end, in reverse order.
    """

    def __init__(
        self, data_dir: Path, *, kafka: KafkaSettings | None = None, redis: RedisSettings | None = None
    ) -> None:
        self.data_dir = data_dir
        self._kafka_elsewhere = kafka
        self._redis_elsewhere = redis
        self.kafka_server: KafkaServer | None = None
        self.valkey_server: ValkeyServer | None = None
        self._lock: IO[str] | None = None

    @property
    def addresses(self) -> StackAddresses:
        """Where both are to be found."""
        kafka, redis = self._kafka_elsewhere, self._redis_elsewhere
        if self.kafka_server is not None:
            kafka = KafkaSettings(bootstrap_servers=self.kafka_server.bootstrap_servers)
        if self.valkey_server is not None:
            redis = RedisSettings.model_validate({"url": self.valkey_server.url})
        if kafka is None or redis is None:
            raise Unavailable("the embedded stack is not running: start it first")
        return StackAddresses(kafka, redis)

    async def start(self) -> StackAddresses:
        """Start what is not given, both at once, and wait until both answer.

        Raises:
            Unavailable: a server does not start, or another run holds the folder.
        """
        self._take_folder()
        ports = self._ports_of_last_run()
        try:
            async with asyncio.TaskGroup() as group:
                if self._kafka_elsewhere is None:
                    self.kafka_server = KafkaServer(self.data_dir / "kafka", port=ports.get("kafka"))
                    group.create_task(self.kafka_server.start())
                if self._redis_elsewhere is None:
                    self.valkey_server = ValkeyServer(self.data_dir / "valkey", port=ports.get("valkey"))
                    group.create_task(self.valkey_server.start())
        except* Exception as errors:
            await self.stop()
            raise errors.exceptions[0] from None
        self._remember_ports()
        return self.addresses

    async def stop(self) -> None:
        """Stop what was started here."""
        if self.kafka_server is not None:
            await self.kafka_server.stop()
        if self.valkey_server is not None:
            await self.valkey_server.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _take_folder(self) -> None:
        """Hold the folder's lock; the kernel lets go of it when a holder dies, so a kill -9 leaves none behind."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        lock = (self.data_dir / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise Unavailable(
                f"{self.data_dir} is in use by process {holder}: end it, or choose another folder with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _ports_of_last_run(self) -> dict[str, int]:
        try:
            ports = json.loads((self.data_dir / "ports.json").read_text())
            return {name: int(port) for name, port in ports.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}  # first run, or a file cut short by a full disk: any port will do

    def _remember_ports(self) -> None:
        ports = {}
        if self.kafka_server is not None:
            ports["kafka"] = self.kafka_server.port
        if self.valkey_server is not None:
            ports["valkey"] = self.valkey_server.port
        (self.data_dir / "ports.json").write_text(json.dumps(ports))
