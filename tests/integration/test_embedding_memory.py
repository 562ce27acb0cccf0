"""What the embedders remember, on a real server: written once, bound to its topic, and never in anybody's way."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from embedder.known_audio import KnownAudio
from musicrec.local.valkey_server import ValkeyServer
from musicrec.settings import RedisSettings
from streams import embedding_memory
from streams.embedding_memory import DEADLINE_S, KEY_PREFIX, EmbeddingMemory
from streams.redis_connection import connect

pytestmark = [pytest.mark.kafka]

SONG, OTHER = KnownAudio("a" * 64, "one-1"), KnownAudio("b" * 64, "two-1", replaced="one-1")
TTL_MS = 60_000


class Failures:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    client = connect(RedisSettings.model_validate({"url": server.url}))
    yield client
    await client.aclose()


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def memory(redis: Redis, failures: Failures) -> EmbeddingMemory:
    return EmbeddingMemory(redis, "topic-1", TTL_MS, failed=failures)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_memory, "PAUSE_S", 0.0)


async def test_what_was_learned_is_known_of_this_topic_and_of_no_other(memory, redis) -> None:
    await memory.learn({"a": (None, SONG), "b : c": (None, OTHER)})
    assert await memory.known(["a", "b : c", "d"]) == {"a": SONG, "b : c": OTHER}
    made_anew = EmbeddingMemory(redis, "topic-2", TTL_MS, failed=lambda: None)
    assert await made_anew.known(["a"]) == {}
    assert await memory.known([]) == {}


async def test_a_removed_track_is_forgotten(memory) -> None:
    await memory.learn({"a": (None, SONG), "b": (None, OTHER)})
    await memory.learn({"a": (SONG, None)})
    assert await memory.known(["a", "b"]) == {"b": OTHER}


async def test_a_track_that_is_not_announced_is_forgotten_in_time_and_each_announcement_begins_it_anew(
    memory, redis
) -> None:
    await memory.learn({"a": (None, SONG)})
    key = f"{KEY_PREFIX}topic-1:a"
    assert 0 < await redis.pttl(key) <= TTL_MS
    await redis.pexpire(key, 1_000)
    await memory.known(["a"])
    assert await redis.pttl(key) > 1_000


async def test_of_a_track_that_two_wrote_at_a_time_nothing_is_known(memory) -> None:
    await memory.learn({"a": (None, SONG)})
    await memory.learn({"a": (None, OTHER)})  # had read before the first one wrote
    assert await memory.known(["a"]) == {}
    await memory.learn({"a": (None, OTHER)})
    assert await memory.known(["a"]) == {"a": OTHER}


async def test_what_lies_there_and_cannot_be_read_is_not_known_and_harms_nobody(memory, redis, failures) -> None:
    await redis.hset(f"{KEY_PREFIX}topic-1:a", "of", "another type")
    await redis.set(f"{KEY_PREFIX}topic-1:b", "no JSON")
    assert await memory.known(["a", "b"]) == {}
    await memory.learn({"a": (None, SONG), "b": (None, SONG), "c": (None, SONG)})
    assert await memory.known(["a", "b", "c"]) == {"c": SONG}
    assert failures.count == 0


@pytest.mark.row(6)
async def test_a_server_that_is_away_is_asked_once_and_then_left_alone(memory, server, failures, caplog) -> None:
    await memory.learn({"a": (None, SONG)})
    await server.stop()
    for _ in range(5):
        assert await memory.known(["a"]) == {}
        await memory.learn({"b": (None, SONG)})
    assert failures.count == 1
    assert len([record for record in caplog.records if "embedded anew" in record.message]) == 1


@pytest.mark.row(8)
async def test_a_server_that_hangs_is_not_waited_for(redis, failures, server) -> None:
    memory = EmbeddingMemory(redis, "topic-1", TTL_MS, failed=failures)
    await redis.execute_command("CLIENT", "PAUSE", "3000", "ALL")
    started_s = time.monotonic()
    assert await memory.known(["a"]) == {}
    await memory.learn({"a": (None, SONG)})
    assert time.monotonic() - started_s < 2.5 * DEADLINE_S
    assert failures.count == 1


@pytest.mark.row(9)
async def test_what_was_published_while_the_server_was_away_is_forgotten_when_it_is_back(
    redis, memory, no_pause, failures
) -> None:
    await memory.learn({"a": (None, SONG), "b": (None, SONG), "c": (None, SONG)})
    await redis.config_set("maxmemory", "1")  # it answers, and takes nothing
    await memory.learn({"a": (SONG, OTHER)})
    assert failures.count == 1
    await redis.config_set("maxmemory", "0")
    assert await memory.known(["b"]) == {"b": SONG}
    assert await memory.known(["a", "c"]) == {"c": SONG}
