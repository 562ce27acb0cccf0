"""The gateway's own routes: events and tracks in, lists out."""

from typing import Annotated, Any, Final, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response, WebSocket, WebSocketDisconnect

from musicrec.client.events import now_ms
from musicrec.contracts import ListenEvent, Mode, Recommendation, RecommendationRequest
from musicrec.contracts.recommendation import MAX_LIST_LENGTH
from musicrec.contracts.record import MAX_ID_CHARS, Id, Market
from musicrec.errors import BadInput, Incompatible, MusicrecError, Unavailable
from streams.gateway.bodies import json_in, read_body
from streams.gateway.broker import NoListYet
from streams.gateway.entries import FORBIDDEN, MOST_ENTRIES, Refusal, entries_of, event_in, track_in
from streams.gateway.gate import listener_of
from streams.gateway.gateway import Gateway
from streams.gateway.problems import MEDIA_TYPE, Problem, ProblemDetails, problem_of, unavailable
from streams.gateway.publishing import EntryResult, Posted, answer, published
from streams.gateway.tokens import Grant

DEFAULT_DEADLINE_MS: Final = 2_000
"""As of the client."""
SHORTEST_DEADLINE_MS: Final = 50
LONGEST_DEADLINE_MS: Final = 60_000

Json = dict[str, Any]
OneOf = Annotated[
    Id | None, Query(description="The listener; may be left out with a listener's token, which is theirs.")
]
Deadline = Annotated[
    int,
    Query(
        ge=SHORTEST_DEADLINE_MS,
        le=LONGEST_DEADLINE_MS,
        description="How long to wait for the list, milliseconds; `MUSICREC_GATEWAY__LIST_DEADLINE_S` at most.",
    ),
]


def problems(*statuses: int) -> dict[int | str, Json]:
    """Return the description of what may be answered instead; 401, 429 and 503 may be everywhere."""
    words = {
        400: "No JSON.",
        401: "No token, or none that holds.",
        403: "The token may not do this.",
        404: "There is no such thing.",
        408: "The body came too slowly.",
        413: "Too many bytes.",
        422: "Something breaks the contract; `field` names it.",
        429: "Too many requests; `Retry-After` says when to come again.",
        503: "Kafka is away, or no list came in time; `Retry-After` says when to try again.",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}
    return {status: {"description": words[status], "content": content} for status in sorted({401, 429, 503, *statuses})}


def body_of(schema: str, *, many: bool = True, description: str) -> Json:
    """Return the OpenAPI description of a body that is one record, or an array of them."""
    one: Json = {"$ref": f"#/components/schemas/{schema}"}
    several: Json = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_ENTRIES}
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/json": {"schema": {"anyOf": [one, several]} if many else one}},
        }
    }


LIST: Final[dict[int | str, Json]] = {
    200: {
        "description": "The list.",
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{Recommendation.__name__}"}}},
    }
}
EVENTS: Final[dict[int | str, Json]] = {
    200: {
        "description": "Events `list`, each with a list as its data and the list's id as its id, and `cut` with the "
        "reason before the gateway ends the stream; comments in between.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
REMOVED: Final[dict[int | str, Json]] = {204: {"description": "It is removed, whether it was there or not."}}
POSTED: Final[dict[int | str, Json]] = {200: {"description": "The broker has all of it for good.", "model": Posted}}


def routes(gateway: Gateway) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1")
    gate, settings = gateway.gate, gateway.settings

    def deadline_s(asked_ms: int) -> float:
        return min(asked_ms / 1_000, settings.list_deadline_s)

    @router.post(
        "/events",
        tags=["publish"],
        summary="Publish listen events",
        responses=POSTED | problems(400, 403, 408, 413, 422),
        openapi_extra=body_of("PostedEvent", description="One event, or up to 1,000."),
    )
    async def post_events(request: Request) -> Response:
        """Answers when the broker has them for good; entries that are wrong do not stand in the way of the others."""
        grant = gate.admit(request)
        value = json_in(await read_body(request, settings))
        now = now_ms()
        entries, was_array = entries_of(value, lambda each: event_in(each, grant, now))
        gate.charge_records(request, grant, len(entries))
        return answer(await published(gateway, entries, "listens"), was_array=was_array)

    @router.post(
        "/tracks",
        tags=["publish"],
        summary="Announce tracks",
        responses=POSTED | problems(400, 403, 408, 413, 422),
        openapi_extra=body_of("Track", description="One track, or up to 1,000."),
    )
    async def post_tracks(request: Request) -> Response:
        """For a platform's token. A track that is announced again takes the place of the former record."""
        grant = platform(request)
        value = json_in(await read_body(request, settings))
        entries, was_array = entries_of(value, track_in)
        gate.charge_records(request, grant, len(entries))
        return answer(await published(gateway, entries, "tracks"), was_array=was_array)

    @router.delete(
        "/tracks/{track_id:path}",
        tags=["publish"],
        summary="Remove a track",
        status_code=204,
        response_class=Response,
        responses=REMOVED | problems(403, 422),
    )
    async def delete_track(
        request: Request, track_id: Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS)]
    ) -> Response:
        """For a platform's token."""
        platform(request)
        await gateway.broker.remove_track(track_id)
        gateway.counts.records.labels("tracks", "accepted").inc()
        return Response(status_code=204)

    def platform(request: Request) -> Grant:
        grant = gate.admit(request)
        if not grant.platform:
            raise Problem(403, "forbidden", "the catalogue is the platform's: this token is a listener's")
        return grant

    @router.get("/list", tags=["lists"], summary="Ask for a list", responses=LIST | problems(403, 422))
    async def get_list(
        request: Request,
        user_id: OneOf = None,
        mode: Annotated[Mode, Query(description="Kind of list.")] = Mode.PERSONAL,
        limit: Annotated[int, Query(ge=1, le=MAX_LIST_LENGTH, description="How many tracks.")] = 20,
        track_id: Annotated[Id | None, Query(description="What a `similar` list shall be similar to.")] = None,
        market: Annotated[Market | None, Query(description="Where the listener is, ISO 3166-1 alpha-2.")] = None,
        deadline_ms: Deadline = DEFAULT_DEADLINE_MS,
    ) -> Response:
        """503 where no list comes in time; asking again is harmless."""
        grant = gate.admit(request)
        listener = listener_of(grant, user_id)
        if mode is Mode.SIMILAR and track_id is None:
            raise Problem(422, "invalid", "track_id: a similar request needs it", field="track_id")
        wanted = RecommendationRequest(
            request_id=str(uuid4()),
            user_id=listener,
            mode=mode,
            track_id=track_id,
            limit=limit,
            requested_at_ms=now_ms(),
            market=market,
        )
        return _list(await gateway.broker.ask(wanted, deadline_s(deadline_ms)))

    @router.post(
        "/list-after",
        tags=["lists"],
        summary="Publish an event and get the list that answers it",
        responses=LIST | problems(400, 403, 408, 413, 422),
        openapi_extra=body_of("PostedEvent", many=False, description="The event."),
    )
    async def post_list_after(request: Request, deadline_ms: Deadline = DEFAULT_DEADLINE_MS) -> Response:
        """503 where no list comes in time: its `event` says whether the event is accepted all the same."""
        grant = gate.admit(request)
        event = event_in(json_in(await read_body(request, settings)), grant, now_ms())
        if isinstance(event, Refusal):
            status = 403 if event.reason == FORBIDDEN else 422
            raise Problem(status, event.reason.replace("_", "-"), event.detail, field=event.field)
        return _list(await _list_after(gateway, event, deadline_s(deadline_ms)))

    @router.get(
        "/lists",
        tags=["lists"],
        summary="Stream a listener's lists as server-sent events",
        response_class=Response,
        responses=EVENTS | problems(403, 422),
    )
    async def get_lists(request: Request, user_id: OneOf = None) -> Response:
        """Lists from now on, whatever they answer. A reader who falls behind is cut off and may come again."""
        grant = gate.admit(request)
        return gateway.streams.by_events(grant, listener_of(grant, user_id))

    @router.websocket("/lists/socket")
    async def lists_socket(socket: WebSocket) -> None:
        try:
            grant = gate.admit(socket)
            user_id = socket.query_params.get("user_id")
            if user_id is not None and not 1 <= len(user_id) <= MAX_ID_CHARS:
                raise Problem(422, "invalid", f"user_id: 1 to {MAX_ID_CHARS} characters", field="user_id")
            await gateway.streams.by_websocket(socket, grant, listener_of(grant, user_id))
        except Problem as problem:
            await socket.send_denial_response(problem.response())
        except MusicrecError as error:
            await socket.send_denial_response(problem_of(error).response())
        except WebSocketDisconnect:
            return  # it has gone before it was let in

    return router


async def _list_after(gateway: Gateway, event: ListenEvent, deadline_s: float) -> Recommendation:
    def counted(status: Literal["accepted", "refused", "unknown"]) -> EntryResult:
        gateway.counts.records.labels("listens", status).inc()
        return EntryResult(index=0, status=status, id=event.event_id)

    known_away = gateway.broker.away is not None
    try:
        made = await gateway.broker.list_after(event, deadline_s)
    except NoListYet as error:
        raise unavailable(str(error), event=counted("accepted").model_dump(exclude_none=True)) from None
    except (Unavailable, Incompatible) as error:
        if known_away:
            raise
        raise unavailable(
            f"{error}; or post it to /v1/events", event=counted("unknown").model_dump(exclude_none=True)
        ) from None
    except BadInput:
        counted("refused")
        raise
    counted("accepted")
    return made


def _list(made: Recommendation) -> Response:
    return Response(made.encode(), media_type="application/json")
