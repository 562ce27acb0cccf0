"""A worker with a handler that behaves as its first argument says; run as a process of its own.

python handlers_worker.py echo|blocks|hangs TOPIC
"""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from musicrec.settings import Settings, load_settings
from musicrec.topics import LISTENS
from streams.counters import Counters
from streams.health import Health
from streams.messages import Decision, Incoming
from streams.worker import Handlers, run_handlers


class Behaving:
    """Does nothing with its messages: well, for ever, or in the way of everybody else."""

    name = "behaving"
    max_batch = 10

    def __init__(self, how: str) -> None:
        self._how = how

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        match self._how:
            case "blocks":
                self._culprit()
            case "hangs":
                print("hanging", flush=True)
                await self._patient_culprit()
        return Decision()

    def _culprit(self) -> None:
        time.sleep(3_600)

    async def _patient_culprit(self) -> None:
        await asyncio.Event().wait()


def main(how: str, topic: str) -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)

    async def build(settings: Settings, counters: Counters, health: Health, stack: AsyncExitStack) -> Handlers:
        return [(replace(LISTENS, name=topic), Behaving(how))]

    return asyncio.run(
        run_handlers(topic, load_settings(), build, on_ready=lambda: print(f"{topic}: ready", flush=True))
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
