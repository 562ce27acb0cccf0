"""A gateway whose Kafka has never been there: what it serves all the same, TLS, origins, proxies, connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from certificates import self_signed
from gateway_process import GatewayProcess, problem
from services import NO_REDIS

from musicrec.local import StackAddresses
from musicrec.settings import KafkaSettings

NOWHERE = StackAddresses(KafkaSettings(bootstrap_servers="127.0.0.1:1"), NO_REDIS)
PLAY = {"type": "play", "track_id": "t", "ms_played": 1}
ORIGIN = "https://player.example.org"


@asynccontextmanager
async def alone(folder: Path, **settings: object) -> AsyncIterator[GatewayProcess]:
    gateway = GatewayProcess(NOWHERE, folder, **settings)
    try:
        yield await gateway.listens()
    finally:
        await gateway.process.stop()
    assert "Traceback" not in gateway.log


async def test_without_kafka_everything_is_503_at_once_and_nothing_is_accepted(tmp_path: Path) -> None:
    async with alone(tmp_path) as gateway, ClientSession(gateway.url, headers=gateway.token(None)) as http:
        async with asyncio.timeout(20):
            for path in ("/v1/events", "/v1/list-after"):
                async with http.post(path, json=PLAY | {"user_id": "ada"}) as response:
                    assert "nothing was published" in (await problem(response, 503))["detail"]
                    assert int(response.headers["Retry-After"]) > 0
            for path in ("/v1/list?user_id=ada", "/v1/lists?user_id=ada"):
                async with http.get(path) as response:
                    await problem(response, 503)
            async with http.delete("/v1/tracks/t") as response:
                await problem(response, 503)
            async with http.get("/livez") as alive, http.get("/readyz") as ready:
                assert (alive.status, ready.status) == (200, 503)
                assert "127.0.0.1:1" in await ready.text()
            async with http.get("/nothing-here") as response:
                await problem(response, 404)
            async with http.put("/v1/events") as response:
                await problem(response, 405)


async def test_it_serves_https_and_pages_of_the_origins_that_are_named(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "certificate")
    async with alone(tmp_path, TLS_CERT_FILE=certificate, CORS_ORIGINS=ORIGIN) as gateway:
        assert gateway.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=certificate)
        async with ClientSession(gateway.url, connector=TCPConnector(ssl=trusted)) as http:
            asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            for origin, allowed in ((ORIGIN, ORIGIN), ("https://elsewhere.example.org", None)):
                async with http.options("/v1/events", headers={"Origin": origin, **asks}) as response:
                    assert response.headers.get("Access-Control-Allow-Origin") == allowed
                async with http.post("/v1/events", headers={"Origin": origin}, json=PLAY) as response:
                    await problem(response, 401)
                    assert response.headers.get("Access-Control-Allow-Origin") == allowed


async def test_strangers_are_counted_by_the_address_that_a_trusted_proxy_names(tmp_path: Path) -> None:
    async def statuses(gateway: GatewayProcess, *addresses: str) -> list[int]:
        async with ClientSession(gateway.url) as http:
            return [(await http.get("/v1/list", headers={"X-Forwarded-For": each})).status for each in addresses]

    limits = {"ADDRESS_REQUESTS_PER_MINUTE": 2, "MAX_CONNECTIONS": 10}
    (tmp_path / "behind").mkdir()
    (tmp_path / "open").mkdir()
    async with (
        alone(tmp_path / "behind", TRUSTED_PROXIES="127.0.0.1", **limits) as behind_a_proxy,
        alone(tmp_path / "open", **limits) as in_the_open,
    ):
        addresses = ("203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2")
        assert await statuses(behind_a_proxy, *addresses) == [401, 401, 429, 401]
        assert await statuses(in_the_open, *addresses) == [401, 401, 429, 429], "nobody is believed"
        await more_connections_than_there_may_be(in_the_open)


async def more_connections_than_there_may_be(gateway: GatewayProcess) -> None:
    connections = [await asyncio.open_connection(*gateway.address) for _ in range(10)]
    reader, writer = await asyncio.open_connection(*gateway.address)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    connections[0][1].close()
    await asyncio.sleep(0.5)
    async with ClientSession(gateway.url) as http, http.get("/livez") as response:
        assert response.status == 200
    for _, each in connections:
        each.close()
