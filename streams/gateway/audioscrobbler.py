"""Audioscrobbler 2.0, Last.fm's way to scrobble: `track.scrobble`, `track.updateNowPlaying`, `auth.getMobileSession`.

The session key (`sk`) is a listener's token; a client that logs in with a name and a password gets it for the
listener's id and the token.  Signatures are not checked: whoever has the key has what they would prove.  A request with
one scrobble that is wrong is refused whole.

Source: Last.fm API documentation, "track.scrobble", "Error codes".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from musicrec.client.events import now_ms
from musicrec.errors import MusicrecError
from musicrec.importers.json_fields import number_field
from musicrec.importers.lastfm_1k import MBID
from musicrec.importers.names import artist_id_of, track_id_of
from musicrec.importers.rows import LONGEST_MS, Listen
from musicrec.importers.scrobbles import Scrobble
from streams.gateway.forms import Fields, fields_of, first, xml_attributes, xml_text
from streams.gateway.gateway import Gateway
from streams.gateway.problems import Problem, problem_of
from streams.gateway.scrobbling import accept, events_in, listener_who_scrobbles
from streams.gateway.tokens import Grant

MOST_SCROBBLES: Final = 50
NUMBERED: Final = re.compile(r"([a-zA-Z]+)(?:\[(\d{1,3})\])?")

INVALID_METHOD, WRONG_PASSWORD, WRONG_PARAMETERS, WRONG_KEY, TRY_AGAIN, TOO_OFTEN = 3, 4, 6, 9, 16, 29
"""Error codes."""
CODES: Final = {401: WRONG_KEY, 403: WRONG_KEY, 429: TOO_OFTEN, 503: TRY_AGAIN}
"""By status; else `WRONG_PARAMETERS`."""


class Failed(Exception):
    """An answer with status `failed`."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def routes(gateway: Gateway) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)

    @router.post("/2.0")
    @router.post("/2.0/")
    async def call(request: Request) -> Response:
        fields: Fields = {}
        try:
            fields = await fields_of(request, gateway.settings)
            return _answer(fields, await _call(gateway, request, fields))
        except Failed as failure:
            return _failed(fields, failure.code, str(failure), failure.status)
        except Problem as problem:
            return _failed_by(fields, problem)
        except MusicrecError as error:
            return _failed_by(fields, problem_of(error))

    return router


async def _call(gateway: Gateway, request: Request, fields: Fields) -> Mapping[str, Any]:
    match first(fields, "method"):
        case "track.scrobble":
            return await _scrobble(gateway, request, fields)
        case "track.updateNowPlaying":
            listener_who_scrobbles(gateway.gate.admit(request, first(fields, "sk") or ""))
            return {"nowplaying": {}}
        case "auth.getMobileSession":
            return _session(gateway, request, fields)
        case method:
            gateway.gate.count_stranger(request)
            raise Failed(INVALID_METHOD, f"no such method here: {str(method)[:64]}")


def _session(gateway: Gateway, request: Request, fields: Fields) -> Mapping[str, Any]:
    token = first(fields, "password") or ""
    try:
        grant: Grant | None = gateway.gate.admit(request, token)
    except Problem as problem:
        if problem.status != 401:
            raise
        grant = None
    if grant is None or grant.listener is None or grant.listener != first(fields, "username"):
        raise Failed(WRONG_PASSWORD, "username is the listener's id, password its token", 403)
    return {"session": {"name": grant.listener, "key": token, "subscriber": 0}}


async def _scrobble(gateway: Gateway, request: Request, fields: Fields) -> Mapping[str, Any]:
    grant = gateway.gate.admit(request, first(fields, "sk") or "")
    listener = listener_who_scrobbles(grant)
    entries = _entries(fields)
    scrobbles = [_read(number, entry, listener) for number, entry in sorted(entries.items())]
    gateway.gate.charge_records(request, grant, len(scrobbles))
    await accept(gateway, events_in(scrobbles, now_ms()))
    return {"scrobbles": {"accepted": len(scrobbles), "ignored": 0}}


def _entries(fields: Fields) -> dict[int, dict[str, str]]:
    """Return the scrobbles by their numbers: `artist[3]`, or `artist` alone for a single one."""
    entries: dict[int, dict[str, str]] = {}
    for name, values in fields.items():
        found = NUMBERED.fullmatch(name)
        if found is not None and found[1] in ("artist", "track", "timestamp", "duration", "mbid", "album"):
            entries.setdefault(int(found[2] or 0), {})[found[1]] = values[0]
    if not 1 <= len(entries) <= MOST_SCROBBLES:
        raise Failed(WRONG_PARAMETERS, f"{len(entries)} scrobbles; 1 to {MOST_SCROBBLES} are taken at a time")
    return entries


def _read(number: int, entry: dict[str, str], listener: str) -> Scrobble:
    artist, title = (entry.get(name, "").strip() for name in ("artist", "track"))
    try:
        started_at_s, duration_s = number_field(entry, "timestamp"), number_field(entry, "duration")
    except ValueError as error:
        raise Failed(WRONG_PARAMETERS, f"[{number}] {error}") from None
    if not artist or not title or started_at_s is None:
        raise Failed(WRONG_PARAMETERS, f"[{number}] artist, track and timestamp are needed")
    duration_ms = round(duration_s * 1_000) if duration_s is not None else 0
    mbid = entry.get("mbid", "").strip()
    listen = Listen(
        user_id=listener,
        ended_at_ms=0,
        ms_played=0,
        track_id=mbid if MBID.fullmatch(mbid) else track_id_of(artist, title),
        artist_id=artist_id_of(artist),
        duration_ms=duration_ms if 1 <= duration_ms <= LONGEST_MS else None,
    )
    return Scrobble(f"[{number}]", round(started_at_s * 1_000), None, listen)


def _failed_by(fields: Fields, problem: Problem) -> Response:
    status = 400 if problem.status == 422 else 403 if problem.status == 401 else problem.status
    response = _failed(fields, CODES.get(problem.status, WRONG_PARAMETERS), problem.detail, status)
    response.headers.update({name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"})
    return response


def _failed(fields: Fields, code: int, message: str, status: int) -> Response:
    if first(fields, "format") == "json":
        return JSONResponse({"error": code, "message": message}, status)
    return _xml("failed", f'<error code="{code}">{xml_text(message)}</error>', status)


def _answer(fields: Fields, more: Mapping[str, Any]) -> Response:
    ((name, values),) = more.items()
    counted = name == "scrobbles"
    if first(fields, "format") == "json":
        return JSONResponse({name: {"@attr": values} if counted else values})
    if counted:
        return _xml("ok", f"<{name}{xml_attributes(values)}/>")
    return _xml(
        "ok", f"<{name}>{''.join(f'<{key}>{xml_text(value)}</{key}>' for key, value in values.items())}</{name}>"
    )


def _xml(status: str, body: str, http_status: int = 200) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<lfm status="{status}">{body}</lfm>\n'
    return Response(text, http_status, media_type="text/xml; charset=utf-8")
