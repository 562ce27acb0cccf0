"""Dead letters published again on an operator's word, one replay at a time."""

import asyncio
import hmac
import logging
from typing import Final, TypedDict

from pydantic import SecretStr

from musicrec.dead_letters import Selection
from musicrec.dead_letters.replaying import LetterReplay, publish_plan, survey_letters
from musicrec.errors import MusicrecError
from musicrec.settings import KafkaSettings

log = logging.getLogger(__name__)

RATE_PER_S: Final = 100.0
"""Live listeners go on beside it."""
WRONG_TOKEN_PAUSE_S: Final = 1.0


class ReplayView(TypedDict):
    """The replay that runs, or the last one."""

    running: bool
    found: int | None
    """Letters that were chosen; None while they are counted."""
    replayed: int
    """Those that the broker has acknowledged."""
    skipped: dict[str, int]
    """By why."""
    stopped: bool
    error: str | None


class Replays:
    """Starts, tells of and stops the one replay."""

    def __init__(self, kafka: KafkaSettings, token: SecretStr | None) -> None:
        """Make it.

        Args:
            kafka: of a user who may write the topics that letters come from.
            token: what an operator has to show; nobody may replay where there is none.
        """
        self._kafka = kafka
        self._token = token
        self._guesses = asyncio.Lock()
        self._found: int | None = None
        self._state = LetterReplay()
        self._error: str | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def allowed(self) -> bool:
        """Whether there is a token, without which nobody may replay."""
        return self._token is not None

    @property
    def running(self) -> bool:
        """Whether one runs."""
        return self._task is not None and not self._task.done()

    async def is_operator(self, shown: str) -> bool:
        """Whether this is the token; a wrong one costs a second, one after the other."""
        if self._token is None:
            return False
        if hmac.compare_digest(shown.encode(), self._token.get_secret_value().encode()):
            return True
        async with self._guesses:
            await asyncio.sleep(WRONG_TOKEN_PAUSE_S)
        return False

    def start(self, selection: Selection) -> bool:
        """Publish the letters of a selection in a task of its own; False where another replay runs."""
        if self.running:
            return False
        self._found, self._state, self._error, self._stop = None, LetterReplay(), None, asyncio.Event()
        self._task = asyncio.create_task(self._run(selection), name="replay")
        return True

    def stop(self) -> None:
        """Send nothing more; what is on its way is awaited."""
        self._stop.set()

    async def close(self) -> None:
        """Stop, and wait for the end."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self, selection: Selection) -> None:
        state, stop = self._state, self._stop
        try:
            plan = await survey_letters(self._kafka, selection)
            self._found = plan.found
            log.info("an operator replays %d dead letters", plan.found)
            await publish_plan(self._kafka, plan, state, rate_per_s=RATE_PER_S, stop=stop)
        except MusicrecError as error:
            self._error = str(error)
            log.warning("the replay ended after %d messages: %s", state.replayed, error)
        except Exception as error:
            self._error = f"unexpected: {error!r}"
            log.exception("the replay ended after %d messages", state.replayed)
        else:
            log.info("replayed %d, skipped %d", state.replayed, state.skipped.total())

    def view(self) -> ReplayView | None:
        """Return how far it is; None where there has been none."""
        if self._task is None:
            return None
        return {
            "running": self.running,
            "found": self._found,
            "replayed": self._state.replayed,
            "skipped": dict(self._state.skipped),
            "stopped": self._state.stopped,
            "error": self._error,
        }
