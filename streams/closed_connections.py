"""A connection that was closed while its TLS had something left to send is no error.

uvloop writes what is left, finds the connection closed, which is what was asked for, and reports a fatal error with a
traceback: among the last words of a worker that was refused, say, whose one line would drown in it.
"""

import asyncio
import logging
from typing import Any, Final

CLOSED: Final = "the handler is closed"
"""In the message of uvloop's RuntimeError."""

log = logging.getLogger(__name__)


def pass_over_closed_connections(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop report every error of which nobody else is told, but not these."""
    loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, RuntimeError) and CLOSED in str(error) and "protocol" in context:
        log.debug("%s: %s", context["message"], error)
    else:
        loop.default_exception_handler(context)
