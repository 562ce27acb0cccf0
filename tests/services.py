"""Services as processes: each with its own user, run for a while or to their end."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from conftest import until_ready
from secured_servers import SecuredKafka, SecuredValkey

from musicrec.access import Service
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import RedisSettings

NO_REDIS = RedisSettings.model_validate({"url": "redis://127.0.0.1:1/0"})
"""Of services that need none."""
REFUSED, GAVE_UP = 2, 70
"""Exit status of a start that was refused, and of a step that was retried until its deadline."""


def stack_of(service: Service, kafka: SecuredKafka, valkey: SecuredValkey | None = None) -> StackAddresses:
    """Return the servers as a service sees them: with its own user."""
    redis = valkey.settings(service.user) if valkey is not None and service.redis is not None else NO_REDIS
    return StackAddresses(kafka.settings(service.user), redis)


@asynccontextmanager
async def running(*processes: ChildProcess) -> AsyncIterator[Sequence[ChildProcess]]:
    try:
        for process in processes:
            await until_ready(process)
        yield processes
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


async def status_of(process: ChildProcess, deadline_s: float = 150.0) -> int:
    """Wait for the end of a process by itself."""
    try:
        async with asyncio.timeout(deadline_s):
            return await process.wait()
    finally:
        await process.stop()


async def command(stack: StackAddresses, folder: Path, *arguments: str, **environment: object) -> tuple[int, str]:
    """Run `musicrec` to its end; return its status and what it said."""
    program = [sys.executable, "-m", "musicrec.cli.main", *arguments]
    process = ChildProcess.start(
        "musicrec",
        program,
        folder / "command.log",
        stack.environment() | {name: str(value) for name, value in environment.items()},
    )
    return await status_of(process), process.log_file.read_text()
