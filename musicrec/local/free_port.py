"""TCP ports on this machine."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from musicrec.errors import Unavailable

LOOPBACK: Final = "127.0.0.1"
FIRST, LAST = 10_000, 65_535
EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
TRIES: Final = 100


def free_port(preferred: int | None = None) -> int:
    """Return a port that nobody listens on: the preferred one if it is free, else any.

    Where the system tells (Linux), not one of those that it gives to connections as they are opened: whoever is to
    listen may start half a minute later, and a client's connection would have taken it by then.

    Raises:
        Unavailable: there is none.
    """
    for port in _candidates(preferred):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                if port == 0:
                    raise Unavailable(f"no free TCP port on {LOOPBACK}: {error}") from error
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("unreachable")


def _candidates(preferred: int | None) -> Iterator[int]:
    if preferred:
        yield preferred
    lasting = _lasting()
    yield from random.SystemRandom().sample(lasting, min(TRIES, len(lasting)))
    yield 0  # the system's choice


def _lasting() -> list[int]:
    """Return the ports that the system gives to no connection; none where it does not tell."""
    try:
        lowest, highest = map(int, EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        return []
    return [*range(FIRST, lowest), *range(max(FIRST, highest + 1), LAST + 1)]
