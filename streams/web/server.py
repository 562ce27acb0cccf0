"""The live page's server: follows the topics, serves the page, a stream of boards, and answers who looks closer."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client.exposition import choose_encoder

from musicrec.errors import Unavailable
from musicrec.settings import KafkaSettings, Settings
from musicrec.topic_follower import StartAt, TopicFollower
from streams.gathering import UNHURRIED
from streams.web.board import Board, BoardView
from streams.web.broker_survey import BrokerSurvey
from streams.web.feed import FROM_NOW_ON, FROM_THE_BEGINNING, Feed
from streams.web.inquiries import MAX_BODY_BYTES, Inquiries
from streams.web.journeys import Journeys
from streams.web.page_metrics import PageMetrics
from streams.web.replays import Replays, ReplayView

log = logging.getLogger(__name__)

STATIC: Final = Path(__file__).parent / "static"
BOARD_EVERY_S: Final = 0.25
BEAT_EVERY_S: Final = 10.0
"""A stream says something at least this often, so that the page notices a connection that died in silence."""
ASK_EVERY_S: Final = 2.0
SEND_DEADLINE_S: Final = 10.0
"""A page that takes nothing for so long is let go; it comes back by itself."""
MAX_STREAMS: Final = 100
STOP_DEADLINE_S: Final = 2.0

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Nothing from elsewhere is loaded or run, whatever a title holds."""


async def serve(settings: Settings, *, on_address: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve the page until `stop` is set.

    The server answers before Kafka does: `/readyz` says when the titles are read.

    Args:
        settings: `kafka` and `web`; port 0 takes a free one, and without an operator token nobody may replay.
        on_address: called once with the page's address, when it can be opened.
        stop: ends it.

    Raises:
        Unavailable: the address cannot be listened on.
    """
    board, journeys = Board(), Journeys(settings.kafka)
    replays = Replays(settings.kafka, settings.web.operator_token)
    inquiries = Inquiries(settings.kafka, board.names, journeys, replays)
    async with _following(settings.kafka, board, journeys) as is_ready:
        page = LivePage(board, replays, inquiries, is_ready)
        runner = web.AppRunner(page.app(), access_log=None, shutdown_timeout=STOP_DEADLINE_S)
        await runner.setup()
        publishing = asyncio.create_task(page.publish_boards())
        try:
            await _listen(runner, settings.web.host, settings.web.port)
            on_address(_url(runner.addresses[0]))
            await _first_of(stop, publishing)
        finally:
            await _cancel(publishing)
            await page.close()
            await replays.close()
            await journeys.close()
            await runner.cleanup()


class PageView(BoardView):
    """Everything on the page; `/board.json` and each server-sent event carry one."""

    may_replay: bool
    """Whether an operator can replay dead letters from the page."""
    replay: ReplayView | None
    """The replay that runs, or the last one."""


class LivePage:
    """The HTTP side: one board is encoded per tick, and every stream sends the newest."""

    def __init__(self, board: Board, replays: Replays, inquiries: Inquiries, is_ready: Callable[[], bool]) -> None:
        self._board = board
        self._replays = replays
        self._inquiries = inquiries
        self._is_ready = is_ready
        self._newest = b""
        self._serial = 0
        self._changed = asyncio.Condition()
        self._streams = 0
        self._closing = False
        self._registry = PageMetrics(board, lambda: self._ready, lambda: self._streams).registry()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[_secured], client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                *self._inquiries.routes(),
                web.get("/", self._index),
                web.get("/events", self._events),
                web.get("/board.json", self._board_json),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.static("/static", STATIC),
            ]
        )
        return app

    async def publish_boards(self) -> None:
        """Encode the board a few times a second while somebody looks, and wake the streams when it changed."""
        while True:
            if self._streams and (board := self._encoded()) != self._newest:
                async with self._changed:
                    self._newest = board
                    self._serial += 1
                    self._changed.notify_all()
            await asyncio.sleep(BOARD_EVERY_S)

    async def close(self) -> None:
        """Let every stream end."""
        self._closing = True
        async with self._changed:
            self._changed.notify_all()

    def _encoded(self) -> bytes:
        view: PageView = {
            **self._board.view(_now_ms()),
            "may_replay": self._replays.allowed,
            "replay": self._replays.view(),
        }
        return json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode()

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _board_json(self, request: web.Request) -> web.Response:
        return web.Response(body=self._encoded(), content_type="application/json", charset="utf-8")

    async def _livez(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    @property
    def _ready(self) -> bool:
        return self._is_ready() and not self._board.kafka_away

    async def _readyz(self, request: web.Request) -> web.Response:
        if self._ready:
            return web.Response(text="ok\n")
        why = (
            "Kafka does not answer, or topics are missing"
            if self._board.kafka_away
            else "the topics are not read to their ends yet"
        )
        return web.Response(status=503, text=f"{why}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `board` with a BoardView, `beat` with nothing new; the id is the server's clock."""
        if self._streams >= MAX_STREAMS:
            return web.Response(status=503, text=f"{MAX_STREAMS} pages are open already; close one\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", **HEADERS})
        self._streams += 1
        try:
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):
                await self._send_boards(response)
        finally:
            self._streams -= 1
        return response

    async def _send_boards(self, response: web.StreamResponse) -> None:
        await _send(response, "board", self._encoded())
        sent = self._serial
        while not self._closing:
            try:
                async with asyncio.timeout(BEAT_EVERY_S):
                    sent = await self._serial_after(sent)
            except TimeoutError:
                await _send(response, "beat", b"{}")
            else:
                # A slow page gets the newest board, not all that it missed.
                await _send(response, "board", self._newest)

    async def _serial_after(self, sent: int) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closing or self._serial != sent)
            return self._serial


@web.middleware
async def _secured(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


async def _send(response: web.StreamResponse, kind: str, data: bytes) -> None:
    async with asyncio.timeout(SEND_DEADLINE_S):
        await response.write(b"id: %d\nevent: %s\ndata: %s\n\n" % (_now_ms(), kind.encode(), data))


@asynccontextmanager
async def _following(kafka: KafkaSettings, board: Board, journeys: Journeys) -> AsyncIterator[Callable[[], bool]]:
    """Feed the board; give a function that says whether all that was there at the start has been read."""
    feed = Feed(board, journeys)
    # A board is made a few times a second.  Fetched as they come, each message of some sixty partitions would be a
    # request and an answer that name all of these.
    options = kafka.client_options() | UNHURRIED.consumer_options
    followers = [
        TopicFollower(options, FROM_THE_BEGINNING, feed),
        TopicFollower(options, FROM_NOW_ON, feed, start_at=StartAt(end=True)),
    ]
    for follower in followers:
        follower.start()
    survey = asyncio.create_task(_watch_broker(kafka, board))
    try:
        yield lambda: all(follower.caught_up for follower in followers)
    finally:
        await _cancel(survey)
        for follower in followers:
            await follower.stop()


async def _watch_broker(kafka: KafkaSettings, board: Board) -> None:
    while True:
        try:
            async with BrokerSurvey(kafka) as survey:
                while True:
                    figures = await survey.take()
                    if board.kafka_away:
                        log.info("Kafka at %s answers again", kafka.bootstrap_servers)
                    board.add_broker_figures(figures)
                    await asyncio.sleep(ASK_EVERY_S)
        except (KafkaError, OSError, TimeoutError) as error:
            if not board.kafka_away:
                log.warning(
                    "Kafka at %s does not tell of its topics and groups: %r; trying again",
                    kafka.bootstrap_servers,
                    error,
                )
            board.kafka_away = True
        await asyncio.sleep(ASK_EVERY_S)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise Unavailable(
            f"the page cannot listen on {host}:{port}: {error.strerror}; choose with --host and --port (0: a free one)"
        ) from error


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def _first_of(stop: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Wait until `stop` is set; a task that fails before raises here, so that no page stands still in silence."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        stopped.cancel()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
