"""The gateway as a player sees it: on a port, before the real broker and real workers."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from conftest import start_worker, until_ready
from gateway_process import GatewayProcess, problem, until_readyz
from probe import producing, publish, reading
from services import command

from musicrec.client.events import now_ms
from musicrec.contracts import ListenEvent, Mode, Recommendation, RecommendedItem, Track
from musicrec.contracts.recommendation import ReasonCode, Timings
from musicrec.local import StackAddresses

pytestmark = pytest.mark.kafka

LISTENS, TRACKS, LISTS = "musicrec.listens.v1", "musicrec.tracks.v1", "musicrec.recommendations.v1"
SLOW_S = 60.0
SLOW = f"deadline_ms={int(SLOW_S * 1_000)}"
"""For a list on a loaded machine."""
PAGE = (Path(__file__).resolve().parents[2] / "docs/gateway.md").read_text()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LIMITS: dict[str, object] = {
    "LIST_DEADLINE_S": SLOW_S,
    "BODY_DEADLINE_S": 1,
    "HEADERS_DEADLINE_S": 1,
    "MAX_BODY_BYTES": 400_000,
    "MAX_STREAMS_PER_LISTENER": 2,
    "STREAM_WAITING": 5,
    "SEND_DEADLINE_S": 1,
    "BEAT_S": 0.2,
    "ADDRESS_REQUESTS_PER_MINUTE": 100_000,
    "TOKEN_REQUESTS_PER_MINUTE": 100_000,
}


def fresh(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def play(track: str, **fields: object) -> dict[str, object]:
    return {"type": "play", "track_id": track, "ms_played": 200_000, "artist_id": "a"} | fields


@pytest.fixture(scope="module")
def gateway(stack: StackAddresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with short deadlines, before a session and a ranking worker; at its end its log is looked through."""
    folder = tmp_path_factory.mktemp("gateway")
    with asyncio.Runner() as runner:
        workers = [start_worker(stack, folder, agent) for agent in ("session", "ranking")]
        running = GatewayProcess(stack, folder, **LIMITS)
        try:
            for worker in workers:
                runner.run(until_ready(worker))
            yield runner.run(running.listens())
        finally:
            for process in (running.process, *workers):
                runner.run(process.stop())
    assert "Traceback" not in running.log
    assert "ERROR" not in running.log
    assert [token for token in running.tokens if token.split("_", 2)[2] in running.log] == []


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[ClientSession]:
    async with ClientSession(gateway.url) as session:
        async with asyncio.timeout(SLOW_S):
            await until_readyz(session, 200)
        yield session
        async with session.get("/metrics") as response:
            assert 'status="500"' not in await response.text()


async def test_one_event_or_many_are_on_the_topic_once_they_are_accepted(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    ada = fresh("ada")
    header = gateway.token(ada)
    many = [play(f"t{number}", event_id=f"{ada} {number}") for number in range(250)]
    async with reading(stack, LISTENS, only=lambda record: record.key == ada.encode()) as tail:
        async with http.post("/v1/events", headers=header, json=play("t", event_id=f"{ada} first")) as response:
            assert (response.status, (await response.json())["accepted"]) == (200, 1)
        await tail.until(lambda t: len(t.records) == 1)
        async with http.post("/v1/events", headers=header, json=many) as response:
            posted = await response.json()
        await tail.until(lambda t: len(t.records) == 251)
    assert [result["id"] for result in posted["results"]] == [event["event_id"] for event in many]
    assert {result["status"] for result in posted["results"]} == {"accepted"}
    events = [ListenEvent.decode(record.value) for record in tail.records[1:]]
    assert [event.track_id for event in events] == [f"t{number}" for number in range(250)]


async def test_wrong_entries_are_named_by_index_and_field_and_stand_in_nobody_elses_way(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    ada = fresh("ada")
    entries = [play("t0"), play("t1", ms_played=-1), play("t2"), play("t3", user_id="bob"), {"type": "set_discovery"}]
    async with reading(stack, LISTENS, only=lambda record: record.key == ada.encode()) as tail:
        async with http.post("/v1/events", headers=gateway.token(ada), json=entries) as response:
            body = await problem(response, 422)
        await tail.until(lambda t: len(t.records) == 2)
        await tail.quiet()
    assert (body["accepted"], body["refused"], body["unknown"]) == (2, 3, 0)
    assert [(result["index"], result.get("field")) for result in body["results"] if result["status"] == "refused"] == [
        (1, "ms_played"),
        (3, "user_id"),
        (4, "discovery"),
    ]
    assert [ListenEvent.decode(record.value).track_id for record in tail.records] == ["t0", "t2"]


async def test_an_event_is_answered_by_one_list_whoever_reads_it(gateway: GatewayProcess, http: ClientSession) -> None:
    ada = fresh("ada")
    header = gateway.token(ada)
    event = play(fresh("track"), event_id=fresh("event"), occurred_at_ms=now_ms())
    async with (
        http.ws_connect("/v1/lists/socket", headers=header, protocols=["musicrec.lists.v1"]) as lists,
        http.get("/v1/lists", headers=header) as events,
    ):
        assert lists.protocol == "musicrec.lists.v1"
        assert await events.content.readuntil(b"\n\n") == b": lists\n\n"
        async with http.post(f"/v1/list-after?{SLOW}", headers=header, json=event) as response:
            answered = await response.read()
            assert response.status == 200, answered
        made = Recommendation.decode(answered)
        assert made.trigger is not None
        assert (made.user_id, made.trigger.event_id) == (ada, event["event_id"])
        async with asyncio.timeout(SLOW_S):
            assert (await lists.receive_str()).encode() == answered
            while (block := await events.content.readuntil(b"\n\n")) == b": beat\n\n":
                pass
    assert block == b"id: %s\nevent: list\ndata: %s\n\n" % (made.list_id.encode(), answered)
    async with http.post("/v1/list-after?deadline_ms=500", headers=header, json=event) as response:
        body = await problem(response, 503)
    assert body["event"]["status"] == "accepted", "applied before, and answered before: no second list"
    assert "/v1/list?mode=session" in body["detail"]
    async with http.get(f"/v1/list?mode=session&{SLOW}", headers=header) as response:
        again = Recommendation.decode(await response.read())
    assert (again.mode, again.session_id) == (Mode.SESSION, made.session_id)
    async with http.get(f"/v1/list?mode=popular&limit=1&{SLOW}", headers=header) as response:
        asked = Recommendation.decode(await response.read())
    assert (asked.user_id, asked.mode, len(asked.items)) == (ada, Mode.POPULAR, 1)


async def test_a_list_that_does_not_come_is_503_and_says_that_the_event_is_accepted(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    late = play("t", event_id="late", occurred_at_ms=now_ms() - 86_400_000)
    header = gateway.token(ada := fresh("ada"))
    async with http.post(f"/v1/list-after?{SLOW}", headers=header, json=play("t")) as response:
        assert response.status == 200
    async with http.post("/v1/list-after?deadline_ms=50", headers=header, json=late) as response:
        body = await problem(response, 503)
    assert (body["event"], ada in body["detail"]) == ({"index": 0, "status": "accepted", "id": "late"}, True)
    assert int(response.headers["Retry-After"]) > 0


async def test_a_token_of_one_listener_writes_and_reads_for_nobody_else(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    header = gateway.token(fresh("ada"))
    for path in ("/v1/list?user_id=bob", "/v1/lists?user_id=bob"):
        async with http.get(path, headers=header) as response:
            assert (await problem(response, 403))["field"] == "user_id"
    for path in ("/v1/events", "/v1/list-after"):
        async with http.post(path, headers=header, json=play("t", user_id="bob")) as response:
            assert (await problem(response, 403))["field"] == "user_id"
    with pytest.raises(WSServerHandshakeError) as refusal:
        await http.ws_connect("/v1/lists/socket?user_id=bob", headers=header)
    assert refusal.value.status == 403
    async with http.post("/v1/tracks", headers=header, json={"track_id": "t"}) as response:
        await problem(response, 403)
    async with http.delete("/v1/tracks/t", headers=header) as response:
        await problem(response, 403)


async def test_a_platform_announces_and_removes_tracks_and_acts_for_every_listener(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    shop, track = gateway.token(None), f"album/{fresh('track')}?"
    key = track.encode()
    async with reading(stack, TRACKS, only=lambda record: record.key == key) as tail:
        async with http.post("/v1/tracks", headers=shop, json={"track_id": track, "title": "So What"}) as response:
            assert response.status == 200, await response.text()
        async with http.delete(f"/v1/tracks/{track.replace(' ', '%20').replace('?', '%3F')}", headers=shop) as response:
            assert response.status == 204
        await tail.until(lambda t: len(t.records) == 2)
    assert [record.value for record in tail.records] == [Track(track_id=track, title="So What").encode(), None]
    for user in (fresh("ada"), fresh("bob")):
        async with http.get(f"/v1/list?user_id={user}&{SLOW}", headers=shop) as response:
            assert (await response.json())["user_id"] == user
    async with http.get("/v1/list", headers=shop) as response:
        assert (await problem(response, 422))["field"] == "user_id"


async def test_no_token_or_one_that_does_not_hold_is_401_everywhere(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    gone = gateway.token("ada")
    gateway.take_back(gone)
    expired = gateway.token("ada", expires_at_ms=now_ms() - 1)
    headers: list[dict[str, str]] = [{}, dict(gone), dict(expired), {"Authorization": "Basic YTpi"}]
    headers.append({"Authorization": "Bearer"})
    for header in headers:
        gets = ("/v1/list", "/v1/lists", "/v1/list?limit=0")
        for method, path in (*(("GET", path) for path in gets), ("POST", "/v1/events"), ("POST", "/v1/tracks")):
            async with http.request(method, path, headers=header, data=b"{") as response:
                await problem(response, 401)
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
        with pytest.raises(WSServerHandshakeError) as refusal:
            await http.ws_connect("/v1/lists/socket", headers=header)
        assert refusal.value.status == 401


async def test_a_token_that_is_taken_back_ends_its_streams(gateway: GatewayProcess, http: ClientSession) -> None:
    header = gateway.token(fresh("ada"))
    token = header["Authorization"].split()[1]
    protocols = ["musicrec.lists.v1", f"musicrec.token.{token}"]
    async with (
        http.ws_connect("/v1/lists/socket", protocols=protocols) as lists,
        http.get("/v1/lists", headers=header) as events,
    ):
        gateway.take_back(header)
        async with asyncio.timeout(SLOW_S):
            message = await lists.receive()
            said = await events.content.read()
    assert (message.type, message.data, "token" in message.extra) == (WSMsgType.CLOSE, 1008, True)
    assert b'event: cut\ndata: {"reason":"token"' in said


async def test_streams_of_a_listener_are_counted(gateway: GatewayProcess, http: ClientSession) -> None:
    header = gateway.token(fresh("ada"))
    async with http.ws_connect("/v1/lists/socket", headers=header), http.get("/v1/lists", headers=header) as second:
        assert second.status == 200
        async with http.get("/v1/lists", headers=header) as third:
            await problem(third, 429)
        with pytest.raises(WSServerHandshakeError) as refusal:
            await http.ws_connect("/v1/lists/socket", headers=header)
        assert refusal.value.status == 429
    async with asyncio.timeout(SLOW_S):
        while (await http.get("/v1/lists", headers=header)).status != 200:
            await asyncio.sleep(0.05)


async def test_whoever_speaks_on_a_websocket_of_lists_is_told_that_nobody_listens(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    header = gateway.token(fresh("ada"))
    for said, code in (("hello", 1003), ("x" * 10_000, 1009)):
        async with http.ws_connect("/v1/lists/socket", headers=header) as lists:
            await lists.send_str(said)
            message = await lists.receive(SLOW_S)
            assert (message.type, message.data) == (WSMsgType.CLOSE, code)


def large_list(user: str, number: int) -> Recommendation:
    items = [
        RecommendedItem(
            track_id=f"{place} " + "x" * 250, score=1.0 - place / 1_000, sources=(), reason=ReasonCode.POPULAR_NOW
        )
        for place in range(200)
    ]
    return Recommendation(
        list_id=f"l{number}",
        user_id=user,
        mode=Mode.SESSION,
        items=tuple(items),
        model_version="m",
        index_version="i",
        generated_at_ms=now_ms(),
        timings=Timings(ranking_ms=1.0),
    )


@pytest.mark.parametrize("reads_again", [True, False], ids=["reads again", "never reads"])
@pytest.mark.parametrize("path", ["/v1/lists/socket", "/v1/lists"])
async def test_a_reader_who_reads_nothing_is_cut_off_and_told_why_once_they_read_again(
    path: str, reads_again: bool, gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    ada = fresh("ada")
    host, port = gateway.address
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    small.connect((host, port))
    reader, writer = await asyncio.open_connection(sock=small, limit=4_096)
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    authorization = gateway.token(ada)["Authorization"]
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n"
    writer.write(f"{request}{upgrade if 'socket' in path else ''}\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).split()[1] in (b"101", b"200")
    before = await figure(http, SLOW_ONES)
    async with producing(stack) as producer, asyncio.timeout(SLOW_S):
        # Fewer than may wait, so that it is the connection that is full.
        lists = [(ada.encode(), large_list(ada, number).encode()) for number in range(4)]
        while await figure(http, SLOW_ONES) == before:
            await publish(producer, LISTS, lists)
            await asyncio.sleep(0.1)
        while not reads_again and await figure(http, r"streams\{kind=\"\w+\"} [1-9]"):
            await asyncio.sleep(0.1)
        last_words = await read_until(reader, b"too slow")
    assert (b"too slow" in last_words) == reads_again
    writer.close()


async def read_until(reader: asyncio.StreamReader, words: bytes) -> bytes:
    """Read until words come, or the connection ends; return the last of it."""
    last = b""
    with suppress(ConnectionResetError):
        while words not in last and (block := await reader.read(65_536)):
            last = (last + block)[-len(block) - 200 :]
    return last


SLOW_ONES = r'streams_ended_total\{reason="slow"} \S+'


async def figure(http: ClientSession, pattern: str) -> str:
    """Return the line of /metrics that matches; nothing where none does."""
    async with http.get("/metrics") as response:
        found = re.search(f"^musicrec_gateway_{pattern}", await response.text(), re.MULTILINE)
    return found[0] if found else ""


async def answer_to(gateway: GatewayProcess, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send bytes as they are; return all that comes until the gateway closes the connection."""
    reader, writer = await asyncio.open_connection(*gateway.address)
    try:
        async with asyncio.timeout(SLOW_S):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_slow_and_large_requests_are_ended(gateway: GatewayProcess, http: ClientSession) -> None:
    header = gateway.token(fresh("ada"))
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {header['Authorization']}\r\n".encode()
    assert b" 408 " in await answer_to(gateway, head + b"Content-Length: 50\r\n\r\n{")
    assert await answer_to(gateway, b"GET /livez HTTP/1.1\r\nHo") == b""
    assert await answer_to(gateway, b"") == b"", "a connection on which nobody says anything"
    dripping = [b"GET /livez HTTP/1.1\r\n", *(b"X: y\r\n" for _ in range(30))]
    assert await answer_to(gateway, *dripping, pause_s=0.1) == b""
    assert b" 400 " in await answer_to(gateway, b"GET /livez HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n")
    closing = head + b"Connection: close\r\n"
    assert b" 413 " in await answer_to(gateway, closing + b"Content-Length: 400001\r\n\r\n")
    chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
    assert b" 413 " in await answer_to(gateway, closing + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 41)
    async with http.post("/v1/events", headers=header, data=b" " * 5_000_000) as response:
        await problem(response, 413)  # and no connection that is reset while the body is still on its way
    async with http.get("/livez") as response:
        assert response.status == 200


async def test_a_used_up_allowance_is_429_and_says_when_to_come_again(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    header = gateway.token(fresh("ada"), requests_per_minute=3)
    left = []
    for _ in range(3):
        async with http.post("/v1/events", headers=header, json=play("t")) as response:
            assert response.status == 200
            left.append(response.headers["X-RateLimit-Remaining"])
            assert response.headers["X-RateLimit-Limit"] == "3"
    assert left == ["2", "1", "0"]
    async with http.post("/v1/events", headers=header, json=play("t")) as response:
        await problem(response, 429)
        assert 1 <= int(response.headers["Retry-After"]) <= 20
    async with http.post(
        "/v1/events", headers=gateway.token(fresh("bob"), requests_per_minute=3), json=[play("t")] * 51
    ) as response:
        assert (response.status, response.headers["X-RateLimit-Remaining"]) == (200, "1"), "51 records are two requests"


async def test_a_client_of_audioscrobbler_logs_in_and_scrobbles(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    ada, started_s = fresh("ada"), now_ms() // 1_000 - 600
    token = gateway.token(ada)["Authorization"].split()[1]

    async def call(method: str, **fields: object) -> tuple[int, Any]:
        form = urlencode({"method": method, "api_key": "k", "api_sig": "s", "format": "json"} | fields)
        async with http.post("/2.0/", data=form, headers=FORM) as response:
            return response.status, await response.json()

    status, said = await call("auth.getMobileSession", username=ada, password=token)
    assert (status, said["session"]["name"], said["session"]["key"]) == (200, ada, token)
    numb = {"artist[0]": "Portishead", "track[0]": "Numb", "timestamp[0]": started_s, "duration[0]": 237}
    roads = {"artist[1]": "Portishead", "track[1]": "Roads", "timestamp[1]": started_s + 240}
    async with reading(stack, LISTENS, only=lambda record: record.key == ada.encode()) as tail:
        assert await call("track.updateNowPlaying", sk=token, artist="Portishead", track="Numb") == (
            200,
            {"nowplaying": {}},
        )
        status, said = await call("track.scrobble", sk=token, **numb, **roads)
        assert (status, said) == (200, {"scrobbles": {"@attr": {"accepted": 2, "ignored": 0}}})
        form = urlencode(
            {"method": "track.scrobble", "sk": token, "artist": "A", "track": "<&>", "timestamp": started_s}
        )
        async with http.post("/2.0/", data=form, headers=FORM) as response:
            assert '<lfm status="ok"><scrobbles accepted="1" ignored="0"/></lfm>' in await response.text()
        await tail.until(lambda t: len(t.records) == 3)
    events = [ListenEvent.decode(record.value) for record in tail.records]
    assert [event.started_at_ms for event in events] == [
        started_s * 1_000,
        (started_s + 240) * 1_000,
        started_s * 1_000,
    ]
    assert [event.ms_played for event in events] == [237_000, 240_000, 240_000]
    wrong: list[tuple[str, dict[str, object], int, int]] = [
        ("track.love", {}, 400, 3),
        ("auth.getMobileSession", {"username": "bob", "password": token}, 403, 4),
        ("auth.getMobileSession", {}, 403, 4),
        ("track.scrobble", {"sk": token}, 400, 6),
        ("track.scrobble", {"sk": token} | numb | {"timestamp[0]": "noon"}, 400, 6),
        ("track.scrobble", {"sk": token} | numb | {"timestamp[0]": "9" * 400}, 400, 6),
        ("track.scrobble", {"sk": token} | numb | {"duration[0]": "nan"}, 400, 6),
        ("track.scrobble", {"sk": token} | {f"track[{n}]": "t" for n in range(51)}, 400, 6),
        ("track.scrobble", {"sk": "mr_x"} | numb, 403, 9),
        ("track.scrobble", numb, 403, 9),
    ]
    for method, fields, status, code in wrong:
        assert (status, code) == ((got := await call(method, **fields))[0], got[1]["error"]), (method, fields, got)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl's")
async def test_the_examples_of_the_page_run_as_they_stand(gateway: GatewayProcess, http: ClientSession) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    token = gateway.token(fresh("ada"))["Authorization"].split()[1]
    # A loaded machine takes its time.
    script = block.replace("deadline_ms=10000", SLOW)
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail"],
        input=script,
        env={**os.environ, "GATEWAY": gateway.url, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=3 * SLOW_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    said = done.stdout
    assert ['"a-1"' in said, '"a-3"' in said, '"mode":"session"' in said, '"mode":"popular"' in said] == [True] * 4
    assert ": lists" in said


def submission(kind: str, *listens: dict[str, Any]) -> bytes:
    return json.dumps({"listen_type": kind, "payload": listens}).encode()


async def test_a_scrobbler_works_once_its_url_is_changed(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses, tmp_path: Path
) -> None:
    """The bytes are those of liblistenbrainz 0.7, which names no content type."""
    ada, started_s = fresh("ada"), now_ms() // 1_000 - 250
    token = gateway.token(ada)["Authorization"].split()[1]
    listen = {
        "track_metadata": {
            "track_name": "Strangers",
            "artist_name": "Portishead",
            "release_name": "Dummy",
            "additional_info": {
                "duration_ms": 237_000,
                "recording_mbid": "e225fb84-dc9a-419e-adcd-9890f59ec432",
                "artist_mbids": ["24412926-c7bd-48e8-afad-8a285b42e131"],
                "tags": ["trip hop"],
            },
        },
        "listened_at": started_s,
    }
    head = (
        "POST /1/submit-listens HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: python-requests/2.34.2\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: close\r\n"
        f"Authorization: Token {token}\r\nContent-Length: "
    )
    playing = {"track_metadata": {"track_name": "Numb", "artist_name": "Portishead"}}
    bodies = submission("playing_now", playing), submission("single", listen), submission("import", listen)
    async with reading(stack, LISTENS, only=lambda record: record.key == ada.encode()) as tail:
        for body in bodies:
            said = await answer_to(gateway, f"{head}{len(body)}\r\n\r\n".encode() + body)
            assert said.startswith(b"HTTP/1.1 200 "), said
            assert said.endswith(b'{"status":"ok"}')
        await tail.until(lambda t: len(t.records) == 2)
    export = tmp_path / "listens.jsonl"
    export.write_text(json.dumps(listen))
    status, said_by_import = await command(stack, tmp_path, "import", "listenbrainz", str(export), "--user", ada)
    assert status == 0
    (imported,) = (line for line in said_by_import.splitlines() if line.startswith("{"))
    assert [record.value for record in tail.records] == [imported.encode()] * 2
    header = {"Authorization": f"Token {token}"}
    async with http.get("/1/validate-token", headers=header) as response:
        assert (await response.json())["user_name"] == ada


async def test_what_a_scrobbler_sends_wrong_is_refused_whole_and_as_listenbrainz_says_it(
    gateway: GatewayProcess, http: ClientSession
) -> None:
    good = {"listened_at": 1_700_000_000, "track_metadata": {"track_name": "t", "artist_name": "a"}}
    header = gateway.token(fresh("ada"))
    wrong = [
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        (submission("single"), "payload"),
        (submission("single", good, good), "payload"),
        (submission("played", good), "listen_type"),
        (submission("import", good, good | {"listened_at": "noon"}), "listened_at"),
        (submission("import", good | {"listened_at": 1_700_000_000_000}), "time"),
        (submission("single", {"listened_at": 1_700_000_000}), "track_metadata"),
        (submission("single", good | {"track_metadata": {"artist_name": "a"}}), "track_name"),
        (submission("single", good | {"x": "y" * 10_240}), "10240 bytes"),
    ]
    for body, words in wrong:
        async with http.post("/1/submit-listens", headers=header, data=body) as response:
            said = await response.json()
            assert (response.status, said["code"], words in said["error"]) == (400, 400, True), said
    for header, status in (({}, 401), (gateway.token(None), 403)):
        async with http.post("/1/submit-listens", headers=header, data=submission("single", good)) as response:
            assert (response.status, (await response.json())["code"]) == (status, status)


async def test_an_opensubsonic_client_scrobbles_with_its_key(
    gateway: GatewayProcess, http: ClientSession, stack: StackAddresses
) -> None:
    ada, now = fresh("ada"), now_ms()
    key = gateway.token(ada)["Authorization"].split()[1]
    async with reading(stack, LISTENS, only=lambda record: record.key == ada.encode()) as tail:
        form = {"apiKey": key, "f": "json", "id": ["t1", "t2"], "time": [str(now - 500_000), str(now - 300_000)]}
        async with http.post("/rest/scrobble.view", data=urlencode(form, doseq=True), headers=FORM) as response:
            assert (await response.json())["subsonic-response"]["status"] == "ok"
        async with http.get("/rest/scrobble", params={"apiKey": key, "id": "t3", "submission": "false"}) as response:
            assert 'status="ok"' in await response.text()
        await tail.until(lambda t: len(t.records) == 2)
        await tail.quiet()
    events = [ListenEvent.decode(record.value) for record in tail.records]
    assert [(event.track_id, event.started_at_ms, event.ms_played) for event in events] == [
        ("t1", now - 500_000, 200_000),
        ("t2", now - 300_000, 240_000),
    ]
    codes = [
        ({"u": ada, "p": key}, None),
        ({"u": ada, "p": "enc:" + key.encode().hex()}, None),
        ({}, 10),
        ({"u": ada}, 10),
        ({"u": "bob", "p": key}, 40),
        ({"u": ada, "p": "enc:zz"}, 40),
        ({"u": ada, "t": "0" * 32, "s": "x"}, 41),
        ({"u": ada, "apiKey": key}, 43),
        ({"apiKey": "mr_x"}, 44),
    ]
    for fields, code in codes:
        async with http.get("/rest/ping.view", params={"f": "json", "v": "1.16.1", "c": "test", **fields}) as response:
            said = (await response.json())["subsonic-response"]
            assert (response.status, said.get("error", {}).get("code")) == (200, code), fields
    for fields in ({}, {"id": ""}, {"id": "t", "time": "0" * 5_000}, {"id": "t", "time": "0170000000000000"}):
        async with http.get("/rest/scrobble", params={"apiKey": key, **fields}) as response:
            assert (response.status, 'status="failed"' in await response.text()) == (200, True), fields


async def test_whatever_the_openapi_document_allows_and_forbids_is_answered_as_it_says(
    gateway: GatewayProcess, http: ClientSession, tmp_path: Path
) -> None:
    """Schemathesis, for a few seconds; 500 is no documented status."""
    token = gateway.token(None)["Authorization"]
    checks = (
        "status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,"
        "unsupported_method,ignored_auth"
    )
    # Streams have no end, and lists take their time.
    program = [
        *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{gateway.url}/openapi.json"),
        *("--header", f"Authorization: {token}", "--exclude-path-regex", "^/v1/list", "--checks", checks),
        *("--phases", "coverage,fuzzing", "--max-examples", "10", "--max-time", "10", "--no-color"),
        "--generation-deterministic",
    ]
    done = await asyncio.to_thread(
        subprocess.run, program, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:]


async def test_a_gateway_that_is_told_to_stop_answers_what_has_come_and_ends_streams(
    gateway: GatewayProcess, stack: StackAddresses, tmp_path: Path
) -> None:
    stopping = GatewayProcess(stack, tmp_path)
    try:
        await stopping.listens()
        async with (
            ClientSession(stopping.url, headers=stopping.token(fresh("ada"))) as http,
            asyncio.timeout(SLOW_S),
        ):
            await until_readyz(http, 200)
            async with http.ws_connect("/v1/lists/socket") as lists, http.get("/v1/lists") as events:
                await http.post("/v1/events", json=play("t"))
                assert (await lists.receive()).type == WSMsgType.TEXT
                late = play("t", event_id="late", occurred_at_ms=now_ms() - 86_400_000)
                waiting = asyncio.create_task(http.post("/v1/list-after?deadline_ms=2000", json=late))
                await asyncio.sleep(0.5)
                stopping.process.signal(signal.SIGTERM)
                message = await lists.receive()
                assert (message.type, message.data in (1001, 1012)) == (WSMsgType.CLOSE, True)
                assert b'"reason":"stopping"' in await events.content.read()
                assert (await problem(await waiting, 503))["event"]["status"] == "accepted"
            assert await stopping.process.wait() == 0
        assert "Traceback" not in stopping.log
    finally:
        await stopping.process.stop()


async def test_bytes_that_are_no_http_end_their_connection_alone(gateway: GatewayProcess, http: ClientSession) -> None:
    for noise in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, struct.pack("!Q", 1) * 50):
        await answer_to(gateway, noise)
    async with http.get("/livez") as response:
        assert (response.status, await response.text()) == (200, "alive\n")
    assert json.loads(await (await http.get("/openapi.json")).text())["openapi"].startswith("3.1")
