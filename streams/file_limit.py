"""How many files and connections a worker may have open, asked before it has any."""

import resource
from typing import Final

from musicrec.errors import Incompatible

FEWEST_FILES: Final = 256
"""A worker has some 20, and a connection or two per broker.  Beyond the limit whatever needs a connection next fails,
under whatever name: clients try again for ever, and imports end in the middle."""


def check_file_limit() -> None:
    """Ask the system.

    Raises:
        Incompatible: it is too few.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < FEWEST_FILES:
        raise Incompatible(
            f"this process may open {allowed} files and connections, a worker needs {FEWEST_FILES}: `ulimit -n 1024` "
            "before it is started, or LimitNOFILE=1024 in its unit"
        )
