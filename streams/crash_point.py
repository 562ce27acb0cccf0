"""A place in the loop where the process is to be killed: how tests prove what a crash exactly there leaves behind."""

import os
import signal
from enum import StrEnum


class Step(StrEnum):
    """The steps of a batch; `streams/batch_loop.py` says what each does."""

    TAKE = "take"
    DECIDE = "decide"
    EMIT = "emit"
    SAVE = "save"
    ACK = "ack"


class CrashPoint:
    """Kills this process, as kill -9 does, right after a step."""

    def __init__(self, after: Step | None, batches: int = 1) -> None:
        """Make a point.

        Args:
            after: the step; None never kills.
            batches: how many batches reach it; the last of them is not survived.
        """
        self._after = after
        self._left = batches

    def passed(self, step: Step) -> None:
        """Say that a batch is done with a step."""
        if step is not self._after:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
