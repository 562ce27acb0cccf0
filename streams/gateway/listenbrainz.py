"""ListenBrainz' way to submit listens: a scrobbler that knows it works here once its URL is changed.

Limits, words and errors are ListenBrainz': a request with one listen that is wrong is refused whole.  `playing_now`
is taken and passed over: it says nothing that the listen which follows does not say.

Source: ListenBrainz documentation, "Core API" and "JSON documentation".
"""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from musicrec.client.events import now_ms
from musicrec.contracts import ListenEvent
from musicrec.errors import MusicrecError
from musicrec.importers.listenbrainz import parse_listen
from musicrec.importers.scrobbles import Scrobble
from streams.gateway.bodies import json_in, read_body
from streams.gateway.gate import token_of
from streams.gateway.gateway import Gateway
from streams.gateway.problems import Problem, problem_of
from streams.gateway.scrobbling import accept, events_in, listener_who_scrobbles

MOST_LISTENS: Final = 1_000
MOST_LISTEN_BYTES: Final = 10_240
EARLIEST_S: Final = 1_033_430_400
"""2002-10-01, when scrobbling began."""
TYPES: Final = ("single", "playing_now", "import")

Json = dict[str, Any]


class ListenBrainzError(BaseModel):
    """What is wrong, as ListenBrainz says it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    code: int
    """The status."""
    error: str
    """What is wrong."""


STATUSES: Final = {
    400: "Something is wrong with the request.",
    401: "No token, or none that holds.",
    403: "The token is a platform's.",
    408: "The body came too slowly.",
    413: "Too many bytes.",
    429: "Too many requests.",
    503: "Kafka is away.",
}
_NAME: Final[Json] = {"type": "string", "minLength": 1, "pattern": r"\S"}
LISTEN: Final[Json] = {
    "type": "object",
    "required": ["track_metadata"],
    "properties": {
        "listened_at": {
            "type": "integer",
            "minimum": EARLIEST_S,
            "description": "Start of the listen, Unix seconds; absent of what is playing now.",
        },
        "track_metadata": {
            "type": "object",
            "required": ["artist_name", "track_name"],
            "properties": {
                "artist_name": _NAME,
                "track_name": _NAME,
                "release_name": {"type": "string"},
                "additional_info": {"type": "object"},
            },
        },
    },
}
SUBMISSION: Final[Json] = {
    "requestBody": {
        "required": True,
        "description": "As ListenBrainz has it.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["listen_type", "payload"],
                    "properties": {
                        "listen_type": {"enum": list(TYPES)},
                        "payload": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MOST_LISTENS,
                            "items": LISTEN,
                        },
                    },
                }
            }
        },
    }
}


def _errors(*statuses: int) -> dict[int | str, Json]:
    return {status: {"description": STATUSES[status], "model": ListenBrainzError} for status in statuses}


def routes(gateway: Gateway) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/1", tags=["scrobblers"])

    @router.post(
        "/submit-listens",
        summary="Submit listens as to ListenBrainz",
        responses=_errors(*STATUSES),
        openapi_extra=SUBMISSION,
    )
    async def submit_listens(request: Request) -> JSONResponse:
        """`{"status": "ok"}` when the broker has them for good."""
        try:
            await _submit(gateway, request)
        except Problem as problem:
            return _error(problem)
        except MusicrecError as error:
            return _error(problem_of(error))
        return JSONResponse({"status": "ok"})

    @router.get("/validate-token", summary="Whose token it is", responses=_errors(400, 429))
    async def validate_token(request: Request) -> JSONResponse:
        """`valid` says whether it holds, `user_name` whose it is."""
        if token_of(request) is None:
            return _error(Problem(400, "invalid", "a token is needed: `Authorization: Token mr_...`"))
        try:
            grant = gateway.gate.admit(request)
        except Problem as problem:
            if problem.status != 401:
                return _error(problem)
            return JSONResponse({"code": 200, "message": "Token invalid.", "valid": False})
        if grant.listener is None:
            return JSONResponse({"code": 200, "message": "The token is a platform's.", "valid": False})
        return JSONResponse({"code": 200, "message": "Token valid.", "valid": True, "user_name": grant.listener})

    return router


async def _submit(gateway: Gateway, request: Request) -> None:
    grant = gateway.gate.admit(request)
    listener = listener_who_scrobbles(grant)
    submitted = json_in(await read_body(request, gateway.settings))
    events = events_submitted(submitted, listener, now_ms())
    gateway.gate.charge_records(request, grant, len(events))
    await accept(gateway, events)


def events_submitted(submitted: Any, listener: str, now_ms: int) -> list[ListenEvent]:
    """Return the events of a submission; none of what is playing now.

    Raises:
        Problem: it is no submission, or one of its listens is wrong; names the field.
    """
    kind, listens = _listens_in(submitted)
    if kind == "playing_now":
        return []
    scrobbles = [parse_listen(f"payload[{place}]", listen, listener) for place, listen in enumerate(listens)]
    for row in scrobbles:
        if isinstance(row, Scrobble) and row.started_at_ms < EARLIEST_S * 1_000:
            raise Problem(422, "invalid", f"{row.place}: listened_at lies before October 2002: are they seconds?")
    return events_in(scrobbles, now_ms)


def _listens_in(value: Any) -> tuple[str, Sequence[Json]]:
    """Return type and listens of a submission.

    Raises:
        Problem: it is none; names the field.
    """
    if not isinstance(value, dict):
        raise Problem(422, "invalid", "a JSON object is needed, with listen_type and payload")
    kind, listens = value.get("listen_type"), value.get("payload")
    if kind not in TYPES:
        raise Problem(422, "invalid", f"listen_type: one of {', '.join(TYPES)} is needed")
    if not isinstance(listens, list) or not listens:
        raise Problem(422, "invalid", "payload: an array of listens is needed")
    most = MOST_LISTENS if kind == "import" else 1
    if len(listens) > most:
        raise Problem(422, "invalid", f"payload: {len(listens)} listens; {most} are taken with {kind}")
    for place, listen in enumerate(listens):
        _check(f"payload[{place}]", listen, is_playing=kind == "playing_now")
    return str(kind), listens


def _check(place: str, listen: Any, *, is_playing: bool) -> None:
    metadata = listen.get("track_metadata") if isinstance(listen, dict) else None
    if not isinstance(metadata, dict):
        raise Problem(422, "invalid", f"{place}.track_metadata: an object is needed")
    for name in ("artist_name", "track_name"):
        if not isinstance(metadata.get(name), str) or not metadata[name].strip():
            raise Problem(422, "invalid", f"{place}.track_metadata.{name}: a text is needed")
    if is_playing and "listened_at" in listen:
        raise Problem(422, "invalid", f"{place}.listened_at: what is playing now has none")
    if len(to_json(listen)) > MOST_LISTEN_BYTES:
        raise Problem(422, "invalid", f"{place}: more than {MOST_LISTEN_BYTES} bytes")


def _error(problem: Problem) -> JSONResponse:
    status = 400 if problem.status == 422 else problem.status
    return JSONResponse({"code": status, "error": problem.detail}, status, headers=problem.headers)
