"""`/livez`, `/readyz` and `/metrics`."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder

from streams.gateway.gateway import Gateway

TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


def routes(gateway: Gateway) -> APIRouter:
    """Return the routes; they need no token, and are for the inside of a network."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/livez",
        summary="Whether it is alive",
        response_class=PlainTextResponse,
        responses={200: {"description": "It is."}, 503: {"description": "It is not: start it anew.", **TEXT}},
    )
    async def livez() -> Response:
        failed = gateway.broker.failed
        return _says(failed, "alive") if failed is None else _says(f"nobody watches Kafka: {failed}", "")

    @router.get(
        "/readyz",
        summary="Whether it can publish and read",
        response_class=PlainTextResponse,
        responses={200: {"description": "It can."}, 503: {"description": "It cannot; the body says why.", **TEXT}},
    )
    async def readyz() -> Response:
        return _says(gateway.broker.failed or gateway.broker.away, "ready")

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
        responses={200: {"description": "As `Accept` asks.", "content": {"application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        up = gateway.broker.away is None
        gateway.counts.kafka_up.labels("kafka").set(up)
        gateway.counts.ready.set(up)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(gateway.counts.registry), headers={"Content-Type": content_type})

    return router


def _says(wrong: str | None, well: str) -> PlainTextResponse:
    return PlainTextResponse(f"{well}\n") if wrong is None else PlainTextResponse(f"{wrong}\n", 503)
