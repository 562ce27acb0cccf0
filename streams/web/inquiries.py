"""What the page asks for when somebody looks closer: a listener's journey, dead letters, and a replay of them."""

import json
import time
from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from typing import Any, Final

from aiohttp import web

from musicrec.dead_letters import Place, Selection
from musicrec.dead_letters.listing import read_listing
from musicrec.errors import BadInput, MusicrecError
from musicrec.settings import KafkaSettings
from streams.web.journeys import Journeys
from streams.web.known_tracks import KnownTracks
from streams.web.letters import MOST_MESSAGES, NEWEST, letters_view, selection_of, whole_letter_view
from streams.web.replays import Replays

MAX_ID_CHARS: Final = 512
MAX_BODY_BYTES: Final = 64 * 1024
BEARER: Final = "Bearer "


class Inquiries:
    """Routes that answer one reader each, from the topics.

    What fails is answered with a line of text: 400 names what is wrong with the question, 503 what is away.
    """

    def __init__(self, kafka: KafkaSettings, names: KnownTracks, journeys: Journeys, replays: Replays) -> None:
        self._kafka = kafka
        self._names = names
        self._journeys = journeys
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/journey.json", _told(self._journey)),
            web.get("/dead-letters.json", _told(self._letters)),
            web.get("/dead-letter.json", _told(self._letter)),
            web.post("/replay", _told(self._replay)),
            web.post("/replay/stop", _told(self._stop)),
        ]

    async def _journey(self, request: web.Request) -> web.Response:
        """`?user=` a listener: a JourneyView."""
        user_id = request.query.get("user", "")
        if not 1 <= len(user_id) <= MAX_ID_CHARS:
            raise BadInput(f"user: {len(user_id)} characters; a listener's id has 1 to {MAX_ID_CHARS}")
        return _json((await self._journeys.of(user_id)).view(self._names))

    async def _letters(self, request: web.Request) -> web.Response:
        """`?topic=&reason=&since=`, each optional and repeatable but the last: a LettersView."""
        asked = {name: request.query.getall(name) for name in ("topic", "reason", "since") if name in request.query}
        selection = selection_of(asked, _now_ms())
        return _json(letters_view(await read_listing(self._kafka, selection, NEWEST, most=MOST_MESSAGES)))

    async def _letter(self, request: web.Request) -> web.Response:
        """`?place=` of a dead-letter topic: a WholeLetterView."""
        place = Place.parse(request.query.get("place", ""))
        found = (await read_listing(self._kafka, Selection(places=frozenset([place])), 1)).newest
        if not found:
            raise BadInput(f"{place}: no dead letter lies there or came from there; Kafka keeps them for 14 days")
        return _json(whole_letter_view(found[-1]))

    async def _replay(self, request: web.Request) -> web.Response:
        """Publish dead letters again: `{"place": […]}` or `{"topic": […], "reason": […], "since": […]}`, 202."""
        if (refused := await self._refused(request)) is not None:
            return refused
        selection = selection_of(_lists_in(await request.read()), _now_ms())
        if not self._replays.start(selection):
            return web.Response(status=409, text="a replay runs already; wait for its end, or stop it\n")
        return _json(self._replays.view(), status=202)

    async def _stop(self, request: web.Request) -> web.Response:
        """Let the replay end after what is on its way."""
        if (refused := await self._refused(request)) is not None:
            return refused
        self._replays.stop()
        return _json(self._replays.view(), status=202)

    async def _refused(self, request: web.Request) -> web.Response | None:
        """Return the answer to whoever may not act.

        No page of another origin can send the header: the browser would have to ask for leave first, and gets none.
        """
        if not self._replays.allowed:
            text = "replaying from the page is off: set MUSICREC_WEB__OPERATOR_TOKEN, or use `musicrec dlq replay`\n"
            return web.Response(status=403, text=text)
        shown = request.headers.get("Authorization", "")
        if not shown.startswith(BEARER) or not await self._replays.is_operator(shown.removeprefix(BEARER)):
            text = "that is not the operator token, which MUSICREC_WEB__OPERATOR_TOKEN of the page has\n"
            return web.Response(status=401, text=text, headers={"WWW-Authenticate": "Bearer"})
        return None


def _told(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answer what the handler raises with its message."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except BadInput as error:
            return web.Response(status=400, text=f"{error}\n")
        except MusicrecError as error:
            return web.Response(status=503, text=f"{error}\n")

    return told


def _lists_in(body: bytes) -> dict[str, list[str]]:
    """Return what a body chooses, and nothing where it would choose everything by mistake."""
    try:
        chosen: Any = json.loads(body)
    except (JSONDecodeError, UnicodeDecodeError):
        raise BadInput("the body is not JSON") from None
    if not isinstance(chosen, dict) or not chosen:
        raise BadInput('the body has to be an object that chooses: {"place": […]} or {"topic": […], "reason": […]}')
    for name, values in chosen.items():
        if name not in ("topic", "reason", "since", "place"):
            raise BadInput(f"{name}: letters are chosen by topic, reason, since and place")
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise BadInput(f"{name}: a list of strings is needed")
    return chosen


def _json(view: object, status: int = 200) -> web.Response:
    body = json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
