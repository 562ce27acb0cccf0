"""Request bodies, within their limits: bytes, time, and the JSON in them."""

import asyncio
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from musicrec.settings import GatewaySettings
from streams.gateway.problems import Problem


async def read_body(request: Request, settings: GatewaySettings, most_bytes: int | None = None) -> bytes:
    """Return the body.

    Raises:
        Problem: it has too many bytes (413), or comes too slowly (408).
    """
    most = min(settings.max_body_bytes, most_bytes or settings.max_body_bytes)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_deadline_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError:
        raise Problem(
            408,
            "slow-body",
            f"the body did not arrive within {settings.body_deadline_s:g} s",
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the connection ended before the body") from None
    return b"".join(parts)


def json_in(body: bytes) -> Any:
    """Return the value of a JSON document: UTF-8, no NaN, no half surrogates, not nested beyond all measure.

    Raises:
        Problem: it is none (400).
    """
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Problem(400, "malformed", f"not JSON: {error}") from None


def _too_large(most: int) -> Problem:
    # The connection stays: a client that is still sending would see it reset, and not the answer.  What comes is thrown
    # away, for as long as headers may take (`GuardedConnection`).
    return Problem(413, "too-large", f"the body has more than {most} bytes: send less at a time")
