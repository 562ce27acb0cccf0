"""A schema registry's Confluent-compatible API: the calls of it that we need.

Confluent's own client is in a package with librdkafka, which no worker needs beside aiokafka; aiohttp is there already.

Source: Confluent Schema Registry API, v1; Karapace has the same, Apicurio has it below `/apis/ccompat/v7`.
"""

import json
from base64 import b64encode
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from uuid import UUID

import aiohttp

from musicrec.errors import Incompatible, Unavailable
from musicrec.printable import printable, printable_bytes
from musicrec.registry.published_schemas import SCHEMA_TYPE
from musicrec.registry.wire_format import SchemaId
from musicrec.settings import RegistrySettings

DEADLINE_S: Final = 10.0
"""For one answer."""
CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024
MOST_SHOWN_CHARS: Final = 500
"""Of a reason that a registry gives; Apicurio's holds both schemas."""
NO_SUCH_CALL: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

Json = Any


class RegistryClient:
    """One registry; use it as an async context.

    Each call raises Unavailable where the registry does not answer or is out of order, and Incompatible where it
    refuses the user, or where the URL is none of a registry.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        """Make a client; nothing is connected yet.

        Raises:
            Incompatible: there is no URL, or a certificate file cannot be read.
        """
        if settings.url is None:
            raise Incompatible("MUSICREC_REGISTRY__URL: it names no schema registry")
        self._settings = settings
        self._tls = settings.ssl_context()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open a session; nothing is asked yet."""
        own = self._settings
        headers = {"Accept": f"{CONTENT_TYPE}, application/json"}
        if own.token is not None:
            headers["Authorization"] = f"Bearer {own.token.get_secret_value()}"
        elif own.username is not None and own.password is not None:
            pair = f"{own.username}:{own.password.get_secret_value()}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True),
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def registered(self, subject: str, schema: str) -> SchemaId | None:
        """Return what the registry calls this very schema under a subject; None where it is not there."""
        found = await self._ask("POST", f"/subjects/{quote(subject, safe='')}", _body(schema), absent=True)
        return None if found is None else self._id(found)

    async def has(self, subject: str) -> bool:
        """Return whether any schema is registered under a subject."""
        return await self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions", absent=True) not in (None, [])

    async def latest(self, subject: str) -> str | None:
        """Return the newest schema of a subject; None where there is none."""
        path = f"/subjects/{quote(subject, safe='')}/versions/latest"
        found = await self._ask("GET", path, absent=True)
        schema = None if found is None else self._field(found, "schema")
        return schema if isinstance(schema, str) else None

    async def compatibility(self, subject: str) -> str | None:
        """Return the compatibility of a subject; None where it has none of its own."""
        found = await self._ask("GET", f"/config/{quote(subject, safe='')}", absent=True)
        level = None if found is None else self._field(found, "compatibilityLevel")
        return level if isinstance(level, str) else None

    async def set_compatibility(self, subject: str, level: str) -> None:
        """Set the compatibility of a subject."""
        await self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})

    async def why_incompatible(self, subject: str, schema: str) -> str | None:
        """Return why a subject's compatibility forbids a schema, in the registry's words; None where it allows it.

        Apicurio gives no reason; it is empty then.
        """
        versions = f"/compatibility/subjects/{quote(subject, safe='')}/versions"
        # By all versions, where the level is a transitive one; Karapace has this call for the latest alone.
        answer = await self._ask("POST", f"{versions}?verbose=true", _body(schema), no_call=True)
        if answer is None:
            answer = await self._ask("POST", f"{versions}/latest?verbose=true", _body(schema))
        match self._field(answer, "is_compatible"):
            case True:
                return None
            case False:
                return _shown("; ".join(map(str, answer.get("messages") or ())))
            case _:
                raise self._no_registry(answer)

    async def register(self, subject: str, schema: str) -> SchemaId:
        """Register a schema.

        Raises:
            Incompatible: as of all calls, or the subject's compatibility forbids it; says why.
        """
        return self._id(await self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", _body(schema)))

    async def _ask(
        self, method: str, path: str, body: Json = None, *, absent: bool = False, no_call: bool = False
    ) -> Json:
        """Return the answer as JSON.

        None, where `absent` allows it, for an answer that the subject or the schema is not there; where `no_call` does,
        for one that there is no such call.
        """
        if self._session is None:
            raise Incompatible("the client of the registry is not open: use it as an async context")
        data = None if body is None else json.dumps(body)
        headers = None if data is None else {"Content-Type": CONTENT_TYPE}
        url = f"{self._settings.url}{path}"
        try:
            # Never led elsewhere: credentials go to the host that the setting names.
            async with self._session.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
                status, content = answer.status, b""
                async for part in answer.content.iter_any():
                    content += part
                    if len(content) > MOST_ANSWER_BYTES:
                        raise self._no_registry(content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"{self._where} does not answer: {str(error) or 'no answer in time'}") from error
        if no_call and status in NO_SUCH_CALL:
            return None
        return self._judged(status, content, method, path, absent)

    def _judged(self, status: int, content: bytes, method: str, path: str, absent: bool) -> Json:
        found: Json = None
        with suppress(ValueError):
            found = json.loads(content)
        code = found.get("error_code") if isinstance(found, dict) else None
        reason = _shown(str(found.get("message") or found)) if isinstance(found, dict) else ""
        if status == HTTPStatus.OK:
            if not isinstance(found, (dict, list)):
                raise self._no_registry(content)
            return found
        if status in REFUSED:
            who = self._settings.username or ("a token" if self._settings.token is not None else "nobody")
            raise Incompatible(
                f"{self._where} refuses {who!r} ({status}) {method} {path}: see MUSICREC_REGISTRY__USERNAME and "
                "__PASSWORD, or __TOKEN"
            )
        if status == HTTPStatus.NOT_FOUND and code is not None and absent:
            return None
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable(f"{self._where} is out of order ({status}) {method} {path}: {reason or _shown(content)}")
        if code is None:
            raise self._no_registry(f"status {status}, {printable_bytes(content[:MOST_SHOWN_CHARS])}")
        raise Incompatible(f"{self._where} refuses {method} {path} ({status}): {reason}")

    def _id(self, found: Json) -> SchemaId:
        number, guid = self._number(found, "id"), self._field(found, "guid")
        try:
            return SchemaId(number, UUID(guid) if isinstance(guid, str) else None)
        except ValueError:
            raise self._no_registry(found) from None

    def _field(self, found: Json, name: str) -> Json:
        if not isinstance(found, dict):
            raise self._no_registry(found)
        return found.get(name)

    def _number(self, found: Json, name: str) -> int:
        number = self._field(found, name)
        if not isinstance(number, int) or not 0 <= number < 1 << 32:
            raise self._no_registry(found)
        return number

    @property
    def _where(self) -> str:
        return f"the schema registry at {self._settings.url}"

    def _no_registry(self, found: object) -> Incompatible:
        return Incompatible(
            f"MUSICREC_REGISTRY__URL: {self._settings.url} answers as no schema registry does: {_shown(found)}; "
            "Apicurio's URL ends in /apis/ccompat/v7"
        )


def _body(schema: str) -> Json:
    return {"schemaType": SCHEMA_TYPE, "schema": schema}


def _shown(found: object) -> str:
    text = printable_bytes(found) if isinstance(found, bytes) else printable(str(found))
    return text if len(text) <= MOST_SHOWN_CHARS else f"{text[:MOST_SHOWN_CHARS]}…"
