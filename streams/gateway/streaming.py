"""Lists of a listener as they come: by WebSocket and by server-sent events, to readers who keep up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from musicrec.client import Subscription
from musicrec.contracts import Recommendation
from musicrec.errors import MusicrecError
from musicrec.settings import GatewaySettings
from streams.gateway.broker import Broker
from streams.gateway.counts import Counts
from streams.gateway.gate import SUBPROTOCOL, Gate
from streams.gateway.problems import Problem, problem_of
from streams.gateway.tokens import Grant

CLOSE_DEADLINE_S: Final = 3.0
"""For the last words to a reader; then the connection is cut."""


class Cut(StrEnum):
    """Why a stream ends."""

    SLOW = "slow"
    """More lists waited than `MUSICREC_GATEWAY__STREAM_WAITING`, or nothing was taken for the send deadline."""
    TOKEN = "token"
    """The token has expired or was taken back."""
    STOPPING = "stopping"
    """The gateway stops."""
    SPEAKS = "speaks"
    """The reader sent something; nothing is read on a WebSocket of lists."""
    GONE = "gone"
    """The reader has gone."""


CODES: Final = {Cut.SLOW: 1013, Cut.TOKEN: 1008, Cut.STOPPING: 1001, Cut.SPEAKS: 1003}
"""Of WebSockets: try again later, policy violation, going away, unsupported data."""
WORDS: Final = {
    Cut.SLOW: "too slow: lists came faster than they were read; connect again",
    Cut.TOKEN: "the token does not hold any more",
    Cut.STOPPING: "the gateway stops; connect again",
    Cut.SPEAKS: "nothing is read here: POST /v1/events takes events",
}

Sender = Callable[[Recommendation | None], Awaitable[None]]
"""Sends a list, or a sign of life."""


class Streams:
    """All open streams: at most so many, and each of them to one reader."""

    def __init__(self, settings: GatewaySettings, broker: Broker, gate: Gate, counts: Counts) -> None:
        self._settings = settings
        self._broker = broker
        self._gate = gate
        self._counts = counts
        self._open = 0
        self._open_by_token: dict[str, int] = {}

    async def by_websocket(self, socket: WebSocket, grant: Grant, listener: str) -> None:
        """Send a listener's lists until somebody ends it.

        Raises:
            Problem, MusicrecError: it cannot begin; nothing was accepted.
        """

        async def send(made: Recommendation | None) -> None:
            if made is not None:  # the server's own pings are the signs of life
                await socket.send_text(made.encode().decode())

        with self._counted("websocket", grant):
            async with self._broker.lists(listener) as lists:
                asked_for = socket.scope.get("subprotocols", ())
                await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in asked_for else None)
                cut = await self._until_cut(self._pump(lists, grant, send), _word_from(socket))
            await self._close(socket, cut)

    def by_events(self, grant: Grant, listener: str) -> "ListEvents":
        """Return the response that sends a listener's lists."""
        return ListEvents(self, grant, listener)

    async def send_events(self, scope: Scope, receive: Receive, send: Send, grant: Grant, listener: str) -> None:
        """Send a listener's lists as server-sent events until somebody ends it; raises as `by_websocket`."""

        async def write(text: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text, "more_body": more})

        async def send_list(made: Recommendation | None) -> None:
            await write(b": beat\n\n" if made is None else _event("list", made.encode(), made.list_id))

        with self._counted("events", grant):
            async with self._broker.lists(listener) as lists:
                headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await write(b": lists\n\n")
                cut = await self._until_cut(self._pump(lists, grant, send_list), _end_of(receive))
            self._count(cut)
            try:
                async with asyncio.timeout(CLOSE_DEADLINE_S):
                    if cut in WORDS:
                        await write(_event("cut", f'{{"reason":"{cut}","detail":"{WORDS[cut]}"}}'.encode()))
                    await write(b"", more=False)
            except TimeoutError:
                _abort(scope)
                await _end_of(receive)  # else uvicorn finds that the response has no end

    @contextmanager
    def _counted(self, kind: str, grant: Grant) -> Iterator[None]:
        mine = self._open_by_token.get(grant.token_id, 0)
        if self._open >= self._settings.max_streams:
            raise Problem(503, "too-many-streams", "all streams are taken", headers={"Retry-After": "10"})
        if not grant.platform and mine >= self._settings.max_streams_per_listener:
            raise Problem(
                429,
                "too-many-streams",
                f"{mine} streams of this token are open; end one",
                headers={"Retry-After": "10"},
            )
        self._open += 1
        self._open_by_token[grant.token_id] = mine + 1
        self._counts.streams.labels(kind).inc()
        try:
            yield
        finally:
            self._counts.streams.labels(kind).dec()
            self._open -= 1
            self._open_by_token[grant.token_id] -= 1
            if not self._open_by_token[grant.token_id]:
                del self._open_by_token[grant.token_id]

    async def _pump(self, lists: Subscription[Recommendation], grant: Grant, send: Sender) -> Cut:
        async for made in _with_beats(lists, self._settings.beat_s):
            if lists.missed:
                return Cut.SLOW
            if not self._gate.holds(grant):
                return Cut.TOKEN
            try:
                async with asyncio.timeout(self._settings.send_deadline_s):
                    await send(made)
            except TimeoutError:
                return Cut.SLOW
            except (WebSocketDisconnect, RuntimeError):  # the latter where uvicorn has just given it up
                return Cut.GONE
        return Cut.STOPPING

    async def _until_cut(self, sending: Awaitable[Cut], reading: Awaitable[Cut]) -> Cut:
        tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(reading)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task in done).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self, socket: WebSocket, cut: Cut) -> None:
        self._count(cut)
        if cut is Cut.GONE:
            return
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                with suppress(RuntimeError, WebSocketDisconnect):  # it has gone meanwhile
                    await socket.close(CODES[cut], WORDS[cut])
        except TimeoutError:
            _abort(socket.scope)

    def _count(self, cut: Cut) -> None:
        self._counts.cuts.labels(cut.value).inc()


class ListEvents(Response):
    """A stream of server-sent events: `list` with a list, `cut` with the reason of the end."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, grant: Grant, listener: str) -> None:
        super().__init__()
        self._streams, self._grant, self._listener = streams, grant, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope.setdefault("state", {})["streamed"] = True
        try:
            await self._streams.send_events(scope, receive, send, self._grant, self._listener)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        except MusicrecError as error:
            await problem_of(error).response()(scope, receive, send)


async def _with_beats(lists: Subscription[Recommendation], beat_s: float) -> AsyncIterator[Recommendation | None]:
    """Yield lists as they come, and None where none has come for a while."""
    coming: asyncio.Future[Recommendation | None] = asyncio.ensure_future(anext(lists, None))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=beat_s)
            if not done:
                yield None
                continue
            made = coming.result()
            if made is None:
                return
            coming = asyncio.ensure_future(anext(lists, None))
            yield made
    finally:
        coming.cancel()


async def _word_from(socket: WebSocket) -> Cut:
    message = await socket.receive()
    return Cut.GONE if message["type"] == "websocket.disconnect" else Cut.SPEAKS


async def _end_of(receive: Receive) -> Cut:
    while (await receive())["type"] != "http.disconnect":
        pass
    return Cut.GONE


def _event(kind: str, data: bytes, event_id: str | None = None) -> bytes:
    # A line feed in an id would begin another line of the event.
    name = b"" if event_id is None or not event_id.isprintable() else b"id: %s\n" % event_id.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (name, kind.encode(), data)


def _abort(scope: Scope) -> None:
    """Cut the connection of a reader who takes not even the reason; see `GuardedConnection`."""
    abort = scope.get("state", {}).get("abort")
    if abort is not None:
        abort()
