"""`https:` URIs against a real server on this machine: limits, and every way around the allow-list."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from exhaustion import no_more_descriptors

from embedder import public_address
from embedder.fetch import AllowedHost, AudioFetcher, FetchLimits
from embedder.public_address import is_public
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable

CERTIFICATE = Path(__file__).with_name("localhost_test_only.pem")
MAX_BYTES = 100_000


class Server:
    """An HTTPS server with one answer for each way to misbehave."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[str] = []

    def uri(self, path: str, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app, context = web.Application(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await ANSWERS[request.match_info["name"]](request, running)

    app.router.add_get("/{name}", answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    running = Server(site._server.sockets[0].getsockname()[1])
    yield running
    await runner.cleanup()


async def good(request: web.Request, server: Server) -> web.StreamResponse:
    server.requests.append("good")
    assert "Cookie" not in request.headers
    return web.Response(body=b"sound" * 1_000, headers={"Set-Cookie": "who=me"})


async def missing(request: web.Request, server: Server) -> web.StreamResponse:
    server.requests.append("missing")
    raise web.HTTPNotFound


async def redirect(request: web.Request, server: Server) -> web.StreamResponse:
    raise web.HTTPFound("/good")


async def failing(request: web.Request, server: Server) -> web.StreamResponse:
    server.requests.append("failing")
    raise web.HTTPServiceUnavailable


async def recovering(request: web.Request, server: Server) -> web.StreamResponse:
    server.requests.append("recovering")
    if len(server.requests) < 3:
        raise web.HTTPServiceUnavailable
    return web.Response(body=b"late")


async def packed(request: web.Request, server: Server) -> web.StreamResponse:
    return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})


async def endless(request: web.Request, server: Server) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 10_000)


async def stalling(request: web.Request, server: Server) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "50"})
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.sleep(60)
    return response


async def trickling(request: web.Request, server: Server) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.05)


async def leading_inside(request: web.Request, server: Server) -> web.StreamResponse:
    raise web.HTTPFound("https://169.254.169.254/latest/meta-data")


async def cut_short(request: web.Request, server: Server) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b"x" * 10)
    assert request.transport is not None
    request.transport.abort()
    return response


ANSWERS = {
    "good": good,
    "missing": missing,
    "redirect": redirect,
    "failing": failing,
    "recovering": recovering,
    "packed": packed,
    "endless": endless,
    "stalling": stalling,
    "trickling": trickling,
    "leading_inside": leading_inside,
    "cut_short": cut_short,
}


def limits(server: Server) -> FetchLimits:
    return FetchLimits(
        allowed_hosts=(f"localhost:{server.port}", f"127.0.0.1:{server.port}"),
        allow_private_addresses=True,
        max_bytes=MAX_BYTES,
        deadline_s=10,
    )


async def fetch(limits: FetchLimits, uri: str) -> bytes:
    tls = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with AudioFetcher(limits, tls=tls) as fetcher:
        with await fetcher.fetch(uri) as audio:
            return os.read(audio.descriptor, 10 * MAX_BYTES)


async def refused(limits: FetchLimits, uri: str) -> tuple[DeadLetterReason, str]:
    with pytest.raises(BadInput) as caught:
        await fetch(limits, uri)
    return caught.value.reason, str(caught.value)


async def test_audio_of_an_allowed_host_arrives_whole(server):
    assert await fetch(limits(server), server.uri("/good")) == b"sound" * 1_000


async def test_connection_is_used_again_and_cookies_are_not(server):
    async with AudioFetcher(limits(server), tls=ssl.create_default_context(cafile=str(CERTIFICATE))) as fetcher:
        for _ in range(3):
            (await fetcher.fetch(server.uri("/good"))).close()
    assert server.requests == ["good"] * 3


@pytest.mark.row(33)
async def test_host_that_resolves_to_this_machine_is_forbidden_unless_private_addresses_are_allowed(server):
    public_only = replace(limits(server), allow_private_addresses=False)
    for host in ("localhost", "127.0.0.1"):
        reason, message = await refused(public_only, server.uri("/good", host))
        assert reason == DeadLetterReason.URI_FORBIDDEN
        assert "which is not public" in message
    assert server.requests == []


@pytest.mark.row(33)
@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "127.1", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "0", "127.0.0.1.",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "[0:0:0:0:0:0:0:1]",
    ],
)  # fmt: skip
async def test_other_spellings_of_this_machine_are_forbidden_even_on_the_allow_list(host):
    reason, _ = await refused(FetchLimits(allowed_hosts=(host,)), f"https://{host}/good")
    assert reason == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(33)
@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost/good",
        "ftp://localhost/good",
        "gopher://localhost/good",
        "data:audio/wav;base64,AAAA",
        "//localhost/good",
        "good.wav",
        "",
        "https://",
        "https:///good",
        "https://evil.example/good",
        "https://localhost.evil.example/good",
        "https://evil.example\\@localhost/good",
        "https://localhost\\.evil.example/good",
        "https://user@localhost/good",
        "https://user:password@localhost/good",
        "https://localhost@evil.example/good",
        "https://localhost:1/good",
        "https://localhost:99999/good",
        "https://local host/good",
        "https://localhost\n/good",
        "https://localhost\x00/good",
        "https://[::1/good",
    ],
)
async def test_scheme_host_port_or_user_that_is_not_allowed_is_forbidden(uri):
    reason, _ = await refused(FetchLimits(allowed_hosts=("localhost",), allow_private_addresses=True), uri)
    assert reason == DeadLetterReason.URI_FORBIDDEN


async def test_file_uris_are_forbidden_without_a_root_and_read_with_one(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    uri = f"file://{tmp_path}/a.wav"
    reason, message = await refused(FetchLimits(), uri)
    assert (reason, "MUSICREC_EMBEDDER_ALLOWED_ROOT is not set" in message) == (DeadLetterReason.URI_FORBIDDEN, True)
    assert await fetch(FetchLimits(allowed_root=tmp_path), uri) == b"sound"


@pytest.mark.row(33)
async def test_redirects_are_not_followed(server):
    reason, message = await refused(limits(server), server.uri("/redirect"))
    assert (reason, server.requests) == (DeadLetterReason.FETCH_FAILED, [])
    assert "HTTP 302: redirects are not followed" in message


@pytest.mark.row(33)
async def test_redirect_to_a_private_address_is_not_followed_either(server):
    reason, message = await refused(limits(server), server.uri("/leading_inside"))
    assert (reason, "HTTP 302" in message) == (DeadLetterReason.FETCH_FAILED, True)


class Names:
    """Answers of a name server whose owner wants to get inside: another one each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.answers[0]]
        found = zip(kinds, self.answers.pop(0), strict=True)
        return [(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for kind, address in found]


@pytest.fixture
def naming(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    def answered_by(*answers: list[str]) -> Names:
        names = Names(*answers)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo, raising=False)
        return names

    return answered_by


@pytest.mark.row(33)
async def test_name_with_one_private_address_among_public_ones_is_forbidden(naming):
    naming(["93.184.216.34", "10.0.0.1"])
    reason, message = await refused(FetchLimits(allowed_hosts=("a.example",)), "https://a.example/song")
    assert (reason, "10.0.0.1, which is not public" in message) == (DeadLetterReason.URI_FORBIDDEN, True)


@pytest.mark.row(33)
async def test_name_is_asked_for_once_and_the_connection_goes_to_that_answer(server, naming):
    names = naming(["127.0.0.1"], ["127.0.0.9"])
    assert await fetch(limits(server), server.uri("/good")) == b"sound" * 1_000
    assert names.answers == [["127.0.0.9"]]


@pytest.mark.row(33)
async def test_name_that_leads_inside_at_the_second_attempt_is_forbidden(server, naming, monkeypatch):
    monkeypatch.setattr(public_address, "is_public", lambda address: address == "127.0.0.1")
    names = naming(["127.0.0.1"], ["127.0.0.9"], ["127.0.0.1"])
    public_only = replace(limits(server), allow_private_addresses=False)
    reason, message = await refused(public_only, server.uri("/cut_short"))
    assert (reason, "127.0.0.9, which is not public" in message) == (DeadLetterReason.URI_FORBIDDEN, True)
    assert len(names.answers) == 1


async def test_missing_file_is_not_asked_for_again(server):
    reason, message = await refused(limits(server), server.uri("/missing"))
    assert (reason, server.requests) == (DeadLetterReason.FETCH_FAILED, ["missing"])
    assert "HTTP 404" in message


async def test_host_that_recovers_is_asked_again(server):
    assert await fetch(limits(server), server.uri("/recovering")) == b"late"


async def test_host_that_stays_away_is_a_failed_fetch_after_three_attempts(server):
    reason, message = await refused(limits(server), server.uri("/failing"))
    assert (reason, server.requests) == (DeadLetterReason.FETCH_FAILED, ["failing"] * 3)
    assert "HTTP 503" in message


@pytest.mark.row(34)
async def test_body_that_never_ends_is_given_up_at_the_limit(server):
    reason, message = await refused(limits(server), server.uri("/endless"))
    assert (reason, f"more than {MAX_BYTES} bytes" in message) == (DeadLetterReason.FETCH_FAILED, True)


@pytest.mark.row(34)
async def test_server_that_stalls_is_given_up_at_the_deadline(server):
    reason, message = await refused(replace(limits(server), deadline_s=0.5), server.uri("/stalling"))
    assert (reason, "not fetched within 0.5 s" in message) == (DeadLetterReason.FETCH_FAILED, True)


@pytest.mark.row(34)
async def test_server_that_trickles_is_given_up_at_the_same_deadline(server):
    reason, message = await refused(replace(limits(server), deadline_s=0.5), server.uri("/trickling"))
    assert (reason, "not fetched within 0.5 s" in message) == (DeadLetterReason.FETCH_FAILED, True)


@pytest.fixture
async def said_by_hand() -> AsyncIterator[Callable[[bytes], Awaitable[int]]]:
    """Give a function that has a server answer every request with these bytes; it returns the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    servers = []

    async def serve(answer: bytes) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield serve
    for server in servers:
        server.close()


@pytest.mark.row(34)
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -5",
        b"Content-Length: 5\r\nContent-Length: 50",
        b"Content-Length: five",
        b"Content-Length: 99999999999999999999999999",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked",
    ],
)
async def test_length_that_is_none_is_a_failed_fetch(said_by_hand, head):
    port = await said_by_hand(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nsound")
    reason, _ = await refused(limits(Server(port)), f"https://localhost:{port}/song")
    assert reason == DeadLetterReason.FETCH_FAILED


@pytest.mark.row(34)
async def test_of_a_body_longer_than_promised_no_more_than_that_is_taken(said_by_hand):
    port = await said_by_hand(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsound" + b"x" * 10 * MAX_BYTES)
    taken = b"sound"
    with suppress(BadInput):  # where more has come along with the head
        taken = await fetch(limits(Server(port)), f"https://localhost:{port}/song")
    assert taken == b"sound"


@pytest.mark.row(34)
async def test_more_than_the_limit_is_not_even_waited_for(said_by_hand):
    port = await said_by_hand(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10 * MAX_BYTES)
    reason, message = await refused(limits(Server(port)), f"https://localhost:{port}/song")
    assert (reason, f"more than {MAX_BYTES} bytes" in message) == (DeadLetterReason.FETCH_FAILED, True)


@pytest.mark.row(36)
async def test_machine_without_descriptors_is_unavailable_and_no_track_is_blamed(server):
    async with AudioFetcher(limits(server), tls=ssl.create_default_context(cafile=str(CERTIFICATE))) as fetcher:
        (await fetcher.fetch(server.uri("/good"))).close()  # the connection is there
        with no_more_descriptors(), pytest.raises(Unavailable, match="Too many open files"):
            await fetcher.fetch(server.uri("/good"))
        (await fetcher.fetch(server.uri("/good"))).close()


@pytest.mark.row(34)
async def test_body_shorter_than_promised_is_a_failed_fetch(server):
    reason, _ = await refused(limits(server), server.uri("/cut_short"))
    assert reason == DeadLetterReason.FETCH_FAILED


@pytest.mark.row(34)
async def test_compressed_body_is_refused(server):
    reason, message = await refused(limits(server), server.uri("/packed"))
    assert (reason, "compressed" in message) == (DeadLetterReason.FETCH_FAILED, True)


async def test_certificate_that_is_not_trusted_is_a_failed_fetch(server):
    async with AudioFetcher(limits(server)) as fetcher:
        with pytest.raises(BadInput, match="certificate") as caught:
            await fetcher.fetch(server.uri("/good"))
    assert (caught.value.reason, server.requests) == (DeadLetterReason.FETCH_FAILED, [])


@pytest.mark.row(33)
async def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert await fetch(limits(server), server.uri("/good")) == b"sound" * 1_000


@pytest.mark.row(33)
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:1::80ff:fffe", "2130706433", "localhost", "",
    ],
)  # fmt: skip
def test_address_that_is_not_of_the_public_internet_is_known_as_such(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_address_is_known_as_such(address):
    assert is_public(address)


def test_allow_list_entry_matches_its_host_and_port_alone():
    assert AllowedHost.parse("audio.example.org").matches("audio.example.org", 443)
    assert not AllowedHost.parse("audio.example.org").matches("audio.example.org", 8443)
    assert AllowedHost.parse("Audio.example.org:8443").matches("audio.example.org", 8443)
    assert AllowedHost.parse("[::1]:8443").matches("::1", 8443)


def test_wildcard_matches_hosts_below_the_domain_and_not_the_domain():
    below = AllowedHost.parse("*.example.org")
    assert below.matches("a.b.example.org", 443)
    assert not below.matches("example.org", 443)
    assert not below.matches("evilexample.org", 443)


@pytest.mark.parametrize(
    "entry", ["", "*", "*example.org", "a.*.org", "https://example.org", "u@example.org", "a:b", "a/b"]
)
def test_allow_list_entry_that_is_no_host_is_refused_at_start(entry):
    with pytest.raises(Incompatible, match="MUSICREC_EMBEDDER_ALLOWED_HOSTS"):
        AudioFetcher(FetchLimits(allowed_hosts=(entry,)))
