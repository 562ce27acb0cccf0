"""The application: routes, and what is answered to errors."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from musicrec.errors import MusicrecError
from musicrec.settings import Settings
from streams.gateway import api, audioscrobbler, health, listenbrainz, subsonic
from streams.gateway.counts import Counted
from streams.gateway.gateway import Gateway
from streams.gateway.openapi import OVERVIEW, VERSION, openapi_document
from streams.gateway.problems import Problem, problem_of

RATE_HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-In", "Retry-After")

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


def application(settings: Settings) -> FastAPI:
    """Return the application; Kafka is connected when it starts.

    Raises:
        Incompatible: the file of tokens cannot be read.
    """
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with gateway.broker.connected():
            yield

    # The pages with forms load their scripts from elsewhere, so there are none.
    app = FastAPI(
        title="musicrec gateway",
        version=VERSION,
        description=OVERVIEW,
        license_info={"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers=_handlers(),
        separate_input_output_schemas=False,
    )
    app.state.gateway = gateway
    app.include_router(api.routes(gateway))
    app.include_router(listenbrainz.routes(gateway))
    app.include_router(subsonic.routes(gateway))
    app.include_router(audioscrobbler.routes(gateway))
    app.include_router(health.routes(gateway))
    if settings.gateway.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.gateway.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=RATE_HEADERS,
        )
    app.add_middleware(Counted, counts=gateway.counts)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def _handlers() -> dict[int | type[Exception], Handler]:
    return {
        Problem: _problem,
        MusicrecError: _error,
        RequestValidationError: _wrong_parameter,
        HTTPException: _http_exception,
    }


async def _problem(request: Request, problem: Problem) -> Response:
    return problem.response()


async def _error(request: Request, error: MusicrecError) -> Response:
    return problem_of(error).response()


async def _wrong_parameter(request: Request, error: RequestValidationError) -> Response:
    try:  # FastAPI looks at parameters before a route is asked who comes
        request.app.state.gateway.gate.admit(request)
    except Problem as problem:
        return problem.response()
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return Problem(422, "invalid", f"{name}: {first['msg']}", field=name).response()


async def _http_exception(request: Request, error: HTTPException) -> Response:
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
    return Problem(error.status_code, kind, str(error.detail), headers=error.headers).response()
