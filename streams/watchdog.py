"""Ends a process that is not alive.

A thread, because it has to work when the event loop does not; a daemon, because nobody waits for it.  Code that never
gives the interpreter's lock back stops it too: then only the orchestrator's own probe is left.
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Final, NoReturn

from streams.batch_loop import EXIT_STATUS
from streams.liveness import Liveness
from streams.vitals import Vitals

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LAST_WORDS_S: Final = 5.0
"""Longest time for the reason and the stacks: whoever reads the log may have stopped reading, and the end must come."""
OURS: Final = frozenset({"musicrec", "streams", "index", "embedder", "__main__"})


class Watchdog:
    """Looks at the vitals once a second, from a thread of its own."""

    def __init__(self, liveness: Liveness, vitals: Callable[[], Vitals], *, ends: bool = True) -> None:
        """Make a watchdog; `start` sets it going.

        Args:
            liveness: the rules.
            vitals: gives the newest vitals; called from the thread.
            ends: whether a dead process is ended, or only reported.
        """
        self._liveness = liveness
        self._vitals = vitals
        self._ends = ends
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.reason: str | None = None
        """Why the process was dead at the last look; None where it was alive."""

    def start(self) -> None:
        """Begin to watch the running event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                reason = self._liveness.look(time.monotonic(), self._vitals())
            except Exception as error:
                log.exception("the watchdog failed")
                reason = f"the watchdog failed: {error!r}"
            if reason is not None and self._ends:
                end_process(reason, self._loop)
            if reason is not None and self.reason is None:
                log.error("not alive: %s", reason)
            self.reason = reason


def end_process(reason: str, loop: asyncio.AbstractEventLoop | None = None) -> NoReturn:
    """End the process with nothing more acknowledged; the log gets all stacks, and the reason as its last line."""
    last_words = threading.Timer(LAST_WORDS_S, os._exit, (EXIT_STATUS,))
    last_words.daemon = True
    last_words.start()
    try:
        # Not by `faulthandler`: it writes with the interpreter's lock held, and would hold up the last words' end too.
        frames = sys._current_frames()
        for thread in threading.enumerate():
            stack = traceback.format_stack(frames.get(thread.ident or 0))
            print(f"Thread {thread.name!r} is at", *stack, sep="\n", file=sys.stderr)
        for task in asyncio.all_tasks(loop) if loop is not None else ():
            if places := waits_at(task):
                print(f"Task {task.get_name()!r} waits at", *places, sep="\n  ", file=sys.stderr)
        log.critical("ended with messages unacknowledged: %s", reason)
        logging.shutdown()
    finally:
        os._exit(EXIT_STATUS)


def end_process_after(deadline_s: float, loop: asyncio.AbstractEventLoop) -> None:
    """End the process, which is to end by itself, if it has not within `deadline_s`."""
    reason = f"no clean stop within {deadline_s:g} s"
    timer = threading.Timer(deadline_s, end_process, (reason, loop))
    timer.daemon = True
    timer.start()


def waits_at(task: "asyncio.Task[Any]") -> list[str]:
    """Return where a task of ours waits, outermost call first; nothing of a library's own tasks.

    `Task.get_stack` stops at the outermost call.
    """
    awaited: Any = task.get_coro()
    places, ours = [], False
    while isinstance(awaited, CoroutineType) and (frame := awaited.cr_frame) is not None:
        places.append(f"{awaited.cr_code.co_filename}:{frame.f_lineno} in {awaited.cr_code.co_qualname}")
        ours |= frame.f_globals["__name__"].partition(".")[0] in OURS
        awaited = awaited.cr_await
    return places if ours else []
