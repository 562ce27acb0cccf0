"""A start that waits for its servers, so that a worker which begins during an outage is ready as soon as it is over.

One that ended instead would be started again later and later: Kubernetes waits up to five minutes between two starts of
what keeps ending.  What only an operator can mend (`Incompatible`) still ends the start at once.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from musicrec.errors import Unavailable

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0

T = TypeVar("T")


async def answered(
    name: str, ask: Callable[[], Awaitable[T]], deadline_s: float, missed: Callable[[str], None] = lambda _: None
) -> T:
    """Ask until there is an answer, and return it.

    Args:
        name: of who starts, in the log.
        ask: puts the question anew.
        deadline_s: when to give up; 0 asks once.
        missed: is told each time why there was no answer, before the next question.

    Raises:
        Unavailable: there is no answer, and the deadline is over.
        Incompatible: as `ask` does, at once.
    """
    until_s, pause_s = time.monotonic() + deadline_s, FIRST_PAUSE_S
    while True:
        try:
            return await ask()
        except Unavailable as error:
            if time.monotonic() + pause_s > until_s:
                raise
            missed(str(error))
            log.warning("%s: %s; trying again in %.1f s", name, error, pause_s)
        # Of workers that one outage has stopped each at its own time.
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
