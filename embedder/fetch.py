"""An audio URI in, an open file of bounded size out; whatever is not on the allow-list is refused.

    file:   under one folder (`local_file`)
    https:  from allowed hosts, at public addresses (`public_address`), no redirects, no proxies, no compression, no
            cookies, at most `max_bytes` within `deadline_s`

A host that is away is the sender's trouble and not ours: the fetch is tried again until its deadline and then fails.
Were it `Unavailable`, one dead host would stop the embedder for everybody.  A machine without descriptors, memory or
room on its disk is ours, and no track's fault.
"""

import asyncio
import errno
import os
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from embedder.fetched_audio import FetchedAudio, nameless_file
from embedder.local_file import open_beneath
from embedder.public_address import CheckedResolver
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable

BLOCK_BYTES = 256 * 1024
ATTEMPTS = 3
FIRST_PAUSE_S = 0.5
TRY_AGAIN_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
HTTPS_PORT = 443
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT})
"""What this machine has run out of."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What may be fetched, and how much of it."""

    allowed_root: Path | None = None
    """Folder of `file:` URIs; none refuses them all."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts of `https:` URIs: `audio.example.org`, `*.example.org` for all below it, `host:8443` for another port."""
    allow_private_addresses: bool = False
    """Whether an allowed host may have an address that is not public: an object store of one's own network."""
    max_bytes: int = 128 * 1024 * 1024
    """Largest file."""
    deadline_s: float = 30.0
    """For one fetch, all attempts together."""
    concurrency: int = 8
    """Fetches at the same time."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of the allow-list."""

    host: str
    """Lower case; `.example.org` stands for all hosts below it."""
    port: int

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read `host`, `host:port`, `[address]:port` or `*.domain`.

        Raises:
            Incompatible: it is none of these.
        """
        try:
            split = urlsplit(f"//{entry}")
            host, port = split.hostname or "", split.port or HTTPS_PORT
        except ValueError:
            host, port = "", HTTPS_PORT
        name = host.removeprefix("*")
        if not name or "*" in name or split.netloc != entry or "@" in entry or (host != name and name[0] != "."):
            raise Incompatible(f"MUSICREC_EMBEDDER_ALLOWED_HOSTS: {entry!r} is not `host`, `host:port` or `*.domain`")
        return cls(name, port)

    def matches(self, host: str, port: int) -> bool:
        """Return whether a host and port are allowed by this entry."""
        named = host.endswith(self.host) if self.host.startswith(".") else host == self.host
        return named and port == self.port


class _TryAgain(Exception):
    """The host failed in a way that may pass."""


class AudioFetcher:
    """Fetches audio. Use it as an async context: it holds connections."""

    def __init__(self, limits: FetchLimits, *, tls: ssl.SSLContext | None = None) -> None:
        """Make a fetcher; `tls` replaces the system's certificates."""
        self._limits = limits
        self._allowed = [AllowedHost.parse(host) for host in limits.allowed_hosts]
        self._tls = tls
        self._resolver = CheckedResolver(allow_private=limits.allow_private_addresses)
        self._free = asyncio.Semaphore(limits.concurrency)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, ssl=self._tls or ssl.create_default_context()
            ),
            timeout=aiohttp.ClientTimeout(total=self._limits.deadline_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            # A body that unpacks to a thousand times its size would pass a limit on what came over the wire.
            headers={"Accept-Encoding": "identity", "User-Agent": "musicrec-embedder"},
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, uri: str) -> FetchedAudio:
        """Return the audio that a URI names; the caller closes it.

        Raises:
            BadInput: URI_FORBIDDEN where the scheme, host, address or path is not allowed; FETCH_FAILED where the
                audio cannot be had: missing, an HTTP error, too many bytes, or the deadline passed.
            Unavailable: this machine cannot open files now.
        """
        fetch = self._way(uri)
        try:
            async with self._free, asyncio.timeout(self._limits.deadline_s):
                return await fetch()
        except TimeoutError:
            raise _failed(uri, f"not fetched within {self._limits.deadline_s:g} s") from None
        except OSError as error:
            raise Unavailable(f"audio_uri {uri[:200]!r}: this machine cannot fetch now: {error}") from error

    def _way(self, uri: str) -> Callable[[], Awaitable[FetchedAudio]]:
        if any(ord(character) <= 32 or ord(character) == 127 or character == "\\" for character in uri):
            # Parsers disagree about these, and a check by one parser is worth nothing to another.
            raise _forbidden(uri, "holds a space, a control character or a backslash")
        scheme, root = uri.partition(":")[0].lower(), self._limits.allowed_root
        if scheme == "file":
            if root is None:
                raise _forbidden(uri, "is a file: URI, and MUSICREC_EMBEDDER_ALLOWED_ROOT is not set")
            return lambda: asyncio.to_thread(open_beneath, root, uri, max_bytes=self._limits.max_bytes)
        if scheme == "https":
            url = self._allowed_url(uri)
            return lambda: self._fetch_with_retries(url)
        raise _forbidden(uri, "is neither a file: nor an https: URI")

    def _allowed_url(self, uri: str) -> URL:
        try:
            url = URL(uri)
            host, port = url.raw_host, url.port
        except ValueError as error:
            raise _forbidden(uri, f"is not a URI: {error}") from None
        if not host or url.raw_user is not None or url.raw_password is not None:
            raise _forbidden(uri, "has no host, or names a user")
        if not any(allowed.matches(host, port or HTTPS_PORT) for allowed in self._allowed):
            raise _forbidden(uri, f"names the host {host!r}, which is not in MUSICREC_EMBEDDER_ALLOWED_HOSTS")
        if _is_address(host):
            self._resolver.check(host, [host])  # aiohttp asks no resolver about an address
        return url

    async def _fetch_with_retries(self, url: URL) -> FetchedAudio:
        attempt = 1
        while True:
            try:
                return await self._fetch_once(url)
            except (_TryAgain, aiohttp.ClientError) as error:
                if isinstance(error, OSError) and error.errno in EXHAUSTED:
                    raise
                if attempt == ATTEMPTS or isinstance(error, aiohttp.ClientConnectorCertificateError):
                    raise _failed(str(url), f"{error or type(error).__name__}") from None
            await asyncio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
            attempt += 1

    async def _fetch_once(self, url: URL) -> FetchedAudio:
        assert self._session is not None, "AudioFetcher is used outside its context"
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status in TRY_AGAIN_STATUS:
                raise _TryAgain(f"HTTP {response.status}")
            if 300 <= response.status < 400:
                raise _failed(
                    str(url), f"HTTP {response.status}: redirects are not followed; publish the final address"
                )
            if response.status != 200:
                raise _failed(str(url), f"HTTP {response.status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _failed(str(url), "the body is compressed, though identity was asked for")
            return await self._receive(response, url)

    async def _receive(self, response: aiohttp.ClientResponse, url: URL) -> FetchedAudio:
        audio = FetchedAudio(nameless_file(), 0)
        try:
            async for block in response.content.iter_chunked(BLOCK_BYTES):
                audio.size_bytes += len(block)
                if audio.size_bytes > self._limits.max_bytes:
                    raise _failed(str(url), f"more than {self._limits.max_bytes} bytes")
                _write_all(audio.descriptor, block)
            os.lseek(audio.descriptor, 0, os.SEEK_SET)
        except BaseException:
            audio.close()
            raise
        return audio


def _is_address(host: str) -> bool:
    """Return whether aiohttp takes the host for an address; `127.1` and `2130706433` too, which sockets understand."""
    return ":" in host or host.replace(".", "").isdigit()


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _forbidden(uri: str, why: str) -> BadInput:
    return BadInput(f"audio_uri {uri[:200]!r} {why}", DeadLetterReason.URI_FORBIDDEN)


def _failed(uri: str, why: str) -> BadInput:
    return BadInput(f"audio_uri {uri[:200]!r}: {why}", DeadLetterReason.FETCH_FAILED)
