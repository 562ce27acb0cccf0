"""Faults of Kafka and Redis, and of what stands before them."""

import asyncio
import contextlib
import signal
import time
from typing import Final

import reach_tests  # noqa: F401
from aiohttp import ClientError, ClientSession
from drill import Drill, Fault
from probe import producing, publish_events

from musicrec.local.kafka_server import KafkaServer
from musicrec.local.valkey_server import ValkeyServer

SCRIPT: Final = "local sum = 0 for i = 1, tonumber(ARGV[1]) do sum = sum + i end return sum"
"""Keeps the one thread of Redis, as KEYS does on a full one."""
FIRST_ROUNDS: Final = 1_000_000
KEEPS_S: Final = 0.2


async def kill_redis(drill: Drill) -> None:
    await _kill(drill.stage.servers.valkey_server)


async def _kill(server: KafkaServer | ValkeyServer | None) -> None:
    assert server is not None
    server.process.signal(signal.SIGKILL)
    await server.process.wait()


async def start_redis(drill: Drill) -> None:
    server = drill.stage.servers.valkey_server
    assert server is not None
    await server.start()


async def fill_redis(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory", "1mb")


async def fill_redis_under_load(drill: Drill) -> None:
    await fill_redis(drill)
    async with producing(drill.stage.stack) as producer:
        await publish_events(producer, [drill.plays.next() for _ in range(1500)])


async def have_redis_evict(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory-policy", "allkeys-lru")
    await fill_redis(drill)


async def forbid_eviction(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory-policy", "noeviction")
    await give_redis_memory(drill)


async def give_redis_memory(drill: Drill) -> None:
    await drill.redis.config_set("maxmemory", "0")


async def slow_redis_down(drill: Drill) -> None:
    async def run_scripts() -> None:
        rounds = FIRST_ROUNDS
        while True:
            began_s = time.perf_counter()
            await drill.redis.eval(SCRIPT, 0, str(rounds))
            rounds = round(rounds * KEEPS_S / (time.perf_counter() - began_s))
            await asyncio.sleep(1.0)

    drill.goes_on("scripts", run_scripts())


async def stop_who_slows_redis_down(drill: Drill) -> None:
    await drill.ends("scripts")


async def kill_kafka(drill: Drill) -> None:
    await _kill(drill.stage.servers.kafka_server)


async def start_kafka(drill: Drill) -> None:
    server = drill.stage.servers.kafka_server
    assert server is not None
    await server.start()


async def players_ask(drill: Drill) -> None:
    token = drill.gateway.token("listener-1")

    async def ask() -> None:
        event = {"type": "play", "track_id": "track-1", "ms_played": 170_000}
        async with ClientSession(drill.gateway.url, headers=token) as http:
            while True:
                with contextlib.suppress(ClientError):
                    await http.post("/v1/events", json=event)
                await asyncio.sleep(0.2)

    drill.goes_on("players", ask())


async def players_leave(drill: Drill) -> None:
    await drill.ends("players")


async def kill_the_gateway(drill: Drill) -> None:
    drill.gateway.process.signal(signal.SIGKILL)
    await drill.gateway.process.wait()


async def start_a_gateway(drill: Drill) -> None:
    await drill.start_gateway()


FAULTS: Final = (
    Fault("Redis is killed", "MusicrecRedisAway", "start Redis", kill_redis, start_redis, lasts_s=45.0),
    Fault("Redis is at its maxmemory", "MusicrecRedisErrors", "`CONFIG SET maxmemory`", fill_redis, give_redis_memory),
    Fault("the same", "MusicrecRedisMemory", "`CONFIG SET maxmemory`", fill_redis, give_redis_memory),
    Fault(
        "Redis is full while 1,500 events come at once",
        "MusicrecLagGrowing",
        "`CONFIG SET maxmemory`",
        fill_redis_under_load,
        give_redis_memory,
    ),
    Fault(
        "Redis is full and may evict",
        "MusicrecRedisEvicts",
        "`CONFIG SET maxmemory-policy noeviction`, `CONFIG SET maxmemory`",
        have_redis_evict,
        forbid_eviction,
    ),
    Fault(
        "somebody's script keeps Redis for 0.2 s of each 1.2 s",
        "MusicrecRedisSlow",
        "it is ended",
        slow_redis_down,
        stop_who_slows_redis_down,
    ),
    Fault("Kafka is killed", "MusicrecKafkaAway", "start Kafka", kill_kafka, start_kafka, lasts_s=45.0),
    Fault(
        "Kafka is killed while a player posts five times a second",
        "MusicrecGatewayRefuses",
        "start Kafka",
        kill_kafka,
        start_kafka,
        before=players_ask,
        after=players_leave,
    ),
    Fault("the only gateway is killed", "MusicrecGatewayDown", "`musicrec gateway`", kill_the_gateway, start_a_gateway),
)
