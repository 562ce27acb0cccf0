"""`/livez`, `/readyz` and `/metrics` of a worker, on one small port."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from musicrec.errors import Unavailable
from musicrec.settings import HealthSettings
from streams.liveness import ready_note, unready
from streams.vitals import Vitals

log = logging.getLogger(__name__)

STOP_DEADLINE_S: Final = 1.0


@asynccontextmanager
async def serving(
    settings: HealthSettings, registry: CollectorRegistry, vitals: Callable[[], Vitals], dead: Callable[[], str | None]
) -> AsyncIterator[None]:
    """Serve within the block.

    Args:
        settings: where to listen; port 0 takes a free one.
        registry: the metrics.
        vitals: gives the newest.
        dead: gives the reason why the worker is dead, or None.

    Raises:
        Unavailable: the address cannot be listened on.
    """

    async def livez(request: web.Request) -> web.Response:
        reason = dead()
        return _answer(200, "alive") if reason is None else _answer(503, reason)

    async def readyz(request: web.Request) -> web.Response:
        now = vitals()
        reasons = [reason for reason in (dead(), *unready(now)) if reason is not None]
        return _answer(503, "\n".join(reasons)) if reasons else _answer(200, ready_note(now))

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_DEADLINE_S)
    await runner.setup()
    try:
        await _listen(runner, settings)
        yield
    finally:
        await runner.cleanup()


def _answer(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"X-Content-Type-Options": "nosniff"})


async def _listen(runner: web.AppRunner, settings: HealthSettings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        raise Unavailable(
            f"health cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose with "
            "MUSICREC_HEALTH__HOST and MUSICREC_HEALTH__PORT (0: a free one)"
        ) from error
    host, port = runner.addresses[0][:2]
    log.info("health: http://%s/livez /readyz /metrics", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
