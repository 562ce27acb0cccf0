"""Fixtures that several folders share: the real broker and server, evaluation data, worker processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from secured_servers import SecuredKafka, rules_given_by_the_script

from musicrec.errors import MusicrecError
from musicrec.local import EmbeddedStack, StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.model_announcements import announcements, put_announcement
from musicrec.settings import KafkaSettings, RedisSettings
from streams.topic_admin import create_missing_topics

# Brokers of tests live for seconds: what the JVM's second compiler does for them costs more than it earns.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

IN_CI = os.environ.get("CI") == "true"


def skip_or_fail(reason: str) -> None:
    """Skip on a laptop; in CI a missing service is a failure."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackAddresses]:
    """A running Kafka and Valkey with all topics, or those that MUSICREC_TEST_KAFKA and MUSICREC_TEST_REDIS name."""
    kafka, redis = os.environ.get("MUSICREC_TEST_KAFKA"), os.environ.get("MUSICREC_TEST_REDIS")
    servers = EmbeddedStack(
        tmp_path_factory.mktemp("stack"),
        kafka=KafkaSettings(bootstrap_servers=kafka) if kafka else None,
        redis=RedisSettings.model_validate({"url": redis}) if redis else None,
    )
    with asyncio.Runner() as runner:
        try:
            addresses = runner.run(servers.start())
            runner.run(create_missing_topics(addresses.kafka))
        except MusicrecError as error:
            skip_or_fail(f"no embedded stack: {error}")
        yield addresses
        runner.run(servers.stop())


@pytest.fixture
async def announcing(stack: StackAddresses) -> AsyncIterator[StackAddresses]:
    """The stack, on which a test may announce models and variants: none is left to others."""
    yield stack
    for name in await announcements(stack.kafka):
        await put_announcement(stack.kafka, name, None)


@asynccontextmanager
async def own_servers(folder: Path) -> AsyncIterator[EmbeddedStack]:
    """Give servers that the test may kill."""
    servers = EmbeddedStack(folder)
    try:
        await create_missing_topics((await servers.start()).kafka)
    except MusicrecError as error:
        skip_or_fail(f"no embedded stack: {error}")
    try:
        yield servers
    finally:
        await servers.stop()


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A running Kafka with all topics and users, who have exactly the rights that `kafka-acls.sh` gives."""
    folder = tmp_path_factory.mktemp("secured")
    with asyncio.Runner() as runner:
        try:
            server = SecuredKafka(folder)
            runner.run(server.start())
            runner.run(create_missing_topics(server.administrator))
            for user, rules in rules_given_by_the_script(folder).items():
                runner.run(server.allow(user, rules))
        except MusicrecError as error:
            skip_or_fail(f"no Kafka: {error}")
        yield server
        runner.run(server.stop())


Worker = Callable[..., AbstractAsyncContextManager[ChildProcess]]


@pytest.fixture
def worker(stack: StackAddresses, tmp_path: Path) -> Worker:
    """Return a context manager that runs `musicrec worker AGENT` until its end."""

    @asynccontextmanager
    async def run(agent: str, instance: str = "0", **environment: str) -> AsyncIterator[ChildProcess]:
        process = start_worker(stack, tmp_path, agent, instance, **environment)
        try:
            await until_ready(process)
            yield process
        finally:
            if process.returncode is not None:  # what a test then waits for never comes; pytest shows this beside it
                print(f"{process.name} had ended with status {process.returncode}:\n{process.log_tail(40)}")
            process.signal(signal.SIGCONT)
            await process.stop()

    return run


def start_worker(
    stack: StackAddresses, folder: Path, agent: str, instance: str = "0", **environment: str
) -> ChildProcess:
    """Start `musicrec worker AGENT` on the stack."""
    variables = stack.environment() | {
        "MUSICREC_DATA_DIR": str(folder / f"{agent}-{instance}"),
        "MUSICREC_AGENT__INSTANCE_ID": f"{agent}-{instance}",
    }
    return ChildProcess.start(
        f"{agent} worker {instance}",
        [sys.executable, "-m", "musicrec.cli.main", "worker", agent],
        folder / f"{agent}-{instance}.log",
        variables | environment,
    )


async def until_ready(process: ChildProcess, deadline_s: float = 150.0) -> None:
    """Wait until the worker has said that it is ready."""
    async with asyncio.timeout(deadline_s):
        while ": ready" not in process.log_file.read_text(errors="replace"):
            process.check_alive()
            await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """Folder of the evaluation data; `../shared/data` beside the checkout, or MUSICREC_EVAL_DATA."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MUSICREC_EVAL_DATA", default))
    if not folder.is_dir():
        skip_or_fail(f"no evaluation data in {folder}: set MUSICREC_EVAL_DATA")
    return folder
