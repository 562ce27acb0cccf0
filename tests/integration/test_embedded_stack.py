"""The embedded Kafka and Valkey: data that outlives a kill -9, folders and ports that are taken, damaged jars."""

import asyncio
import hashlib
import shutil
import signal
from pathlib import Path

import pytest
from conftest import skip_or_fail
from probe import publish, reading
from redis.asyncio import Redis

from musicrec.errors import MusicrecError, Unavailable
from musicrec.local import EmbeddedStack, StackAddresses
from musicrec.local.kafka_jars import expected_sums, kafka_class_path, wrong_jars
from musicrec.replay import replay_producer
from musicrec.topics import LISTENS
from streams.topic_admin import create_missing_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def started(folder: Path) -> EmbeddedStack:
    servers = EmbeddedStack(folder)
    try:
        await servers.start()
    except MusicrecError as error:
        skip_or_fail(f"no embedded stack: {error}")
    return servers


async def put(stack: StackAddresses, value: bytes) -> None:
    producer = replay_producer(stack.kafka)
    await producer.start()
    try:
        await publish(producer, LISTENS.name, [(b"key", value)])
    finally:
        await producer.stop()
    async with Redis.from_url(stack.redis.url.get_secret_value()) as redis:
        await redis.rpush("kept", value)  # type: ignore[misc]


async def test_data_and_ports_outlive_a_kill_and_a_second_run_cannot_take_the_folder(tmp_path: Path) -> None:
    first = await started(tmp_path)
    try:
        await create_missing_topics(first.addresses.kafka)
        await put(first.addresses, b"before")
        with pytest.raises(Unavailable, match=r"in use by process \d+.*--data-dir"):
            await EmbeddedStack(tmp_path).start()
        assert first.kafka_server is not None
        assert first.valkey_server is not None
        for server in (first.kafka_server, first.valkey_server):
            server.process.signal(signal.SIGKILL)
            await server.process.wait()
        addresses = first.addresses
    finally:
        await first.stop()
    second = await started(tmp_path)
    try:
        assert second.addresses == addresses
        assert await create_missing_topics(second.addresses.kafka) == []
        async with reading(second.addresses, LISTENS.name) as tail:
            await put(second.addresses, b"after")
            await tail.until(lambda t: len(t.records) == 1)
        assert tail.records[0].offset == 1
        async with Redis.from_url(second.addresses.redis.url.get_secret_value()) as redis:
            assert await redis.lrange("kept", 0, -1) == [b"before", b"after"]  # type: ignore[misc]
    finally:
        await second.stop()


async def test_a_folder_that_was_left_half_formatted_is_set_aside(tmp_path: Path) -> None:
    half = tmp_path / "kafka" / "data" / "bootstrap.checkpoint"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"cut off")
    (tmp_path / "ports.json").write_text('{"kafka": ')
    servers = await started(tmp_path)
    await servers.stop()
    (aside,) = (tmp_path / "kafka").glob("data.unfinished-*")
    assert (aside / half.name).read_bytes() == b"cut off"


def test_a_damaged_jar_is_replaced_and_the_class_path_is_whole(tmp_path: Path) -> None:
    try:
        kafka_class_path(tmp_path)
    except MusicrecError as error:
        skip_or_fail(f"no Kafka: {error}")
    folder = next(tmp_path.glob("kafka-*"))
    damaged = folder / next(iter(expected_sums()))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert wrong_jars(folder) == [damaged.name]
    kafka_class_path(tmp_path)
    assert wrong_jars(folder) == []


async def test_a_broker_leaves_its_classes_to_the_next_and_damaged_ones_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = Path(kafka_class_path().split(":")[0]).parent
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = tmp_path / "cache" / "musicrec" / jars.name
    shutil.copytree(jars, own, ignore=shutil.ignore_patterns("*.jsa"))

    async def archive_after_a_start() -> Path:
        servers = await started(tmp_path / "stack")
        await servers.stop()
        (archive,) = own.glob("*.jsa")
        return archive

    first = await archive_after_a_start()
    written = first.stat().st_mtime_ns
    assert (await archive_after_a_start()).stat().st_mtime_ns == written
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    again = await archive_after_a_start()
    assert hashlib.sha256(again.read_bytes()).hexdigest() in again.name


async def test_a_broker_that_ends_at_once_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    servers = await started(tmp_path)
    await servers.stop()
    assert servers.kafka_server is not None
    servers.kafka_server.properties = {"process.roles": "nothing"}
    with pytest.raises(Unavailable, match=r"Kafka ended with status 1; .*kafka\.log:(.|\n)*process\.roles"):
        await asyncio.wait_for(servers.kafka_server.start(), 60)
