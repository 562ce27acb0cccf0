"""OpenSubsonic's way to scrobble: `ping`, `scrobble` and `getOpenSubsonicExtensions`, and nothing else of it.

The key is a token: as `apiKey`, or as the plain password of its listener (`u` and `p`).  `t` and `s`, a salted MD5 of
the password, cannot be checked by whoever keeps hashes alone: error 41.  `id` is taken for the track's id.

Source: OpenSubsonic API reference: "API key authentication", "scrobble", "error".
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from musicrec import __version__
from musicrec.client.events import now_ms
from musicrec.contracts.record import MAX_ID_CHARS
from musicrec.errors import MusicrecError
from musicrec.importers.rows import EARLIEST_MS, LATEST_MS, Listen
from musicrec.importers.scrobbles import LONGEST_ESTIMATE_MS, Scrobble
from streams.gateway.forms import Fields, fields_of, first, xml_attributes
from streams.gateway.gateway import Gateway
from streams.gateway.problems import Problem, problem_of
from streams.gateway.scrobbling import accept, events_in, listener_who_scrobbles
from streams.gateway.tokens import Grant

API_VERSION: Final = "1.16.1"
EXTENSIONS: Final = ({"name": "apiKeyAuthentication", "versions": [1]}, {"name": "formPost", "versions": [1]})

GENERIC, MISSING, WRONG_PASSWORD, NO_SALTED, CONFLICTING, WRONG_KEY, NOT_ALLOWED = 0, 10, 40, 41, 43, 44, 50
"""Error codes."""


class Failed(Exception):
    """An answer with status `failed`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def routes(gateway: Gateway) -> APIRouter:
    """Return the routes; each method may end in `.view`, and its fields may come as a form."""
    router = APIRouter(prefix="/rest", include_in_schema=False)

    async def answered(request: Request, method: str) -> Response:
        fields: Fields = {}
        try:
            fields = await fields_of(request, gateway.settings)
            return _answer(fields, await _call(gateway, request, method, fields))
        except Failed as failure:
            return _answer(fields, {"error": {"code": failure.code, "message": str(failure)}})
        except Problem as problem:
            return _failed(fields, problem)
        except MusicrecError as error:
            return _failed(fields, problem_of(error))

    @router.api_route("/{method}", methods=["GET", "POST"])
    async def call(request: Request, method: str) -> Response:
        return await answered(request, method.removesuffix(".view"))

    return router


async def _call(gateway: Gateway, request: Request, method: str, fields: Fields) -> Mapping[str, Any]:
    if method == "getOpenSubsonicExtensions":  # for everybody, as a client asks before it chooses how to log in
        gateway.gate.count_stranger(request)
        return {"openSubsonicExtensions": list(EXTENSIONS)}
    if method not in ("ping", "scrobble"):
        gateway.gate.count_stranger(request)
        raise Problem(404, "not-found", f"{method}: this is a scrobbler's end alone: ping, scrobble")
    try:
        token = _token(fields)
    except Failed:
        gateway.gate.count_stranger(request)
        raise
    grant = _grant(gateway, request, fields, token)
    if method == "scrobble":
        await _scrobble(gateway, request, grant, fields)
    return {}


def _token(fields: Fields) -> str:
    key, user, password = (first(fields, name) for name in ("apiKey", "u", "p"))
    if key is not None and (user is not None or password is not None):
        raise Failed(CONFLICTING, "apiKey comes alone: no u, no p")
    if key is None and ("t" in fields or "s" in fields):
        raise Failed(NO_SALTED, "t and s cannot be checked here: use apiKey, or the token as the password p")
    token = key if key is not None else _password(password)
    if token is None or (key is None and user is None):
        raise Failed(MISSING, "apiKey is needed, or u and p")
    return token


def _grant(gateway: Gateway, request: Request, fields: Fields, token: str) -> Grant:
    user = first(fields, "u")
    try:
        grant = gateway.gate.admit(request, token)
    except Problem as problem:
        if problem.status != 401:
            raise
        raise Failed(WRONG_KEY if user is None else WRONG_PASSWORD, "no such token, or it has expired") from None
    if user is not None and grant.listener != user:
        raise Failed(WRONG_PASSWORD, "u: the token is another listener's")
    return grant


def _password(text: str | None) -> str | None:
    if text is None or not text.startswith("enc:"):
        return text
    try:
        return bytes.fromhex(text.removeprefix("enc:")).decode()
    except ValueError:
        raise Failed(WRONG_PASSWORD, "p: enc: is followed by hex digits of UTF-8") from None


async def _scrobble(gateway: Gateway, request: Request, grant: Grant, fields: Fields) -> None:
    try:
        listener = listener_who_scrobbles(grant)
    except Problem as problem:
        raise Failed(NOT_ALLOWED, problem.detail) from None
    ids, times = fields.get("id", []), fields.get("time", [])
    if not ids:
        raise Failed(MISSING, "id is needed")
    if times and len(times) != len(ids):
        raise Failed(GENERIC, f"time: {len(times)} for {len(ids)} ids")
    if not all(1 <= len(track_id) <= MAX_ID_CHARS for track_id in ids):
        raise Failed(GENERIC, f"id: 1 to {MAX_ID_CHARS} characters")
    gateway.gate.charge_records(request, grant, len(ids))
    if (first(fields, "submission") or "true").lower() == "false":
        return  # what is playing now
    now = now_ms()
    # Without a time the listen ends now.
    started = [_time(time) for time in times] or [now - LONGEST_ESTIMATE_MS] * len(ids)
    scrobbles = [
        Scrobble(f"id {track_id}", started_at_ms, None, Listen(listener, 0, 0, track_id))
        for track_id, started_at_ms in zip(ids, started, strict=True)
    ]
    try:
        events = events_in(scrobbles, now)
    except Problem as problem:
        raise Failed(GENERIC, problem.detail) from None
    await accept(gateway, events)


def _time(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and EARLIEST_MS <= int(text) <= LATEST_MS):
        raise Failed(GENERIC, "time: milliseconds since 1970 are needed")
    return int(text)


def _failed(fields: Fields, problem: Problem) -> Response:
    """Return what went wrong with the status of HTTP, so that a client that queues scrobbles keeps them."""
    error = {"code": GENERIC, "message": problem.detail}
    response = _answer(fields, {"error": error})
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _answer(fields: Fields, more: Mapping[str, Any]) -> Response:
    head: dict[str, Any] = {
        "status": "failed" if "error" in more else "ok",
        "version": API_VERSION,
        "type": "musicrec",
        "serverVersion": __version__,
        "openSubsonic": True,
    }
    # jsonp would run here whatever a page names; it gets JSON.
    if (first(fields, "f") or "xml").startswith("json"):
        return JSONResponse({"subsonic-response": head | dict(more)})
    body = f'<subsonic-response xmlns="http://subsonic.org/restapi"{xml_attributes(head)}>{_elements(more)}</subsonic-response>'
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n', media_type="text/xml; charset=utf-8")


def _elements(more: Mapping[str, Any]) -> str:
    parts = [f"<error{xml_attributes(more['error'])}/>"] if "error" in more else []
    for extension in more.get("openSubsonicExtensions", ()):
        versions = "".join(f"<versions>{version}</versions>" for version in extension["versions"])
        name = xml_attributes({"name": extension["name"]})
        parts.append(f"<openSubsonicExtensions{name}>{versions}</openSubsonicExtensions>")
    return "".join(parts)
