"""TCP ports on this machine."""

import socket

from musicrec.errors import Unavailable

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None) -> int:
    """Return a port that nobody listens on: the preferred one if it is free, else any.

    Raises:
        Unavailable: the system gives none.
    """
    for port in (preferred or 0, 0):
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
