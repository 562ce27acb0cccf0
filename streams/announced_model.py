"""A kind of model that is announced, loaded beside the one in use, and put in its place.

Steps
    1. An announcement comes.  Nothing changes yet.
    2. A daemon thread reads the files, checks them against the announced sha256, and tries the model out.  Lists go on
       with the old one.
    3. Between two lists the event loop puts the new one in the old one's place.
Where 2 fails the old one stays.  Files that are not there may still be on their way, so they are tried again, slowly;
damaged or foreign ones are tried again when they are announced anew.  What a withdrawal leaves is the kind's affair.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from index.follower import in_daemon_thread
from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.errors import Incompatible
from musicrec.sequence.encoder_files import Unreadable
from musicrec.sequence.models_directory import folder_below
from streams.counters import Counters
from streams.metrics import Metric, ModelOutcome

log = logging.getLogger(__name__)

RETRY_S: Final = 30.0
"""Pause before a folder that is not there is looked for again: a copy takes minutes."""

FIRST_RETRY_S: Final = 1.0
"""Likewise while the worker's start waits for it."""


class Wanted(NamedTuple):
    """An announced model."""

    files: ModelFiles
    announced_at_ms: int

    @classmethod
    def by(cls, announced: ModelAnnouncement | None) -> "Wanted | None":
        """Return what an announcement asks for; None for a withdrawal."""
        if announced is None or announced.files is None:
            return None
        return cls(announced.files, announced.announced_at_ms)


class Versioned(Protocol):
    """A model that was loaded."""

    @property
    def version(self) -> str:
        """Of its manifest."""


Loaded = TypeVar("Loaded", bound=Versioned)
Use = Callable[[Loaded | None], Awaitable[None]]
"""Has a model help to make the lists from now on; None for what a withdrawal leaves."""


class ModelKind(Protocol[Loaded]):
    """What differs from kind to kind."""

    name: str
    """Under which it is announced."""
    metric: Metric
    """That tells the version in use."""

    def load(self, folder: Path, wanted: Wanted) -> Loaded:
        """Return the model of a folder, checked and tried out; runs in another thread.

        Raises:
            Unreadable: a file is missing or cannot be read.
            Incompatible: it is damaged, another one, or not for this worker.
        """

    def is_in_use(self, wanted: Wanted) -> bool:
        """Return whether nothing would change by it."""

    def otherwise(self) -> Loaded | None:
        """Return what is used where none is announced; runs in another thread.

        Raises:
            Incompatible: what a setting names cannot be used.
        """

    def note(self, model: Loaded | None, wanted: Wanted | None) -> str:
        """Take note of what is in use now, as announced where it was; return its version, `none` without one."""


class AnnouncedModel(Generic[Loaded]):
    """Keeps the worker's model of one kind as announced."""

    def __init__(
        self, kind: ModelKind[Loaded], counters: Counters, *, models: Path | None, retry_s: float = RETRY_S
    ) -> None:
        """Make one; `first` gives the model to begin with, and `start` sets the changes going.

        Args:
            kind: of the model.
            counters: what is counted.
            models: directory that announced folders lie in.
            retry_s: pause before missing files are looked for again.
        """
        self.name = kind.name
        self._kind = kind
        self._said = kind.name.replace("_", " ")
        self._counters = counters
        self._tell = counters.tell(kind.metric)
        self._models = models
        self._retry_s = retry_s
        self._wanted: Wanted | None = None
        self._settled: Wanted | None = None
        """The newest announcement with which nothing is left to do: its model is in use, or refused."""
        self._missing: tuple[Wanted, str] | None = None
        """What was not there when it was looked for last."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the task is gone although nobody has stopped it."""
        return self._task is not None and self._task.done()

    def take(self, announced: ModelAnnouncement | None) -> None:
        """Take in what is announced, None for a withdrawal."""
        self._wanted = Wanted.by(announced)
        self._changed.set()

    def again(self) -> None:
        """Do anew what the newest announcement asks for: what was in use is forgotten."""
        self._settled = None
        self._changed.set()

    async def first(self, wait_s: float) -> Loaded | None:
        """Return the model to begin with: the announced one, else what is used where none is; None for what there is.

        Args:
            wait_s: longest wait for the announced one; it is put in use later, once it is there.

        Raises:
            Incompatible: what a setting names is broken, and none is announced that could be used.
        """
        wanted = self._wanted
        if wanted is not None and self._kind.is_in_use(wanted):
            self._note(None, wanted)
            return None
        if wanted is not None:
            log.info("%s %s is announced; waiting for it", self._said, wanted.files.version)
            try:
                async with asyncio.timeout(wait_s):
                    model = await self._first_announced()
            except TimeoutError:
                log.warning("not there within %g s: beginning without it", wait_s)
            else:
                if model is not None:
                    return model
        model = await self._otherwise()
        self._note(model, None)
        return model

    def start(self, use: Use[Loaded]) -> None:
        """Follow the announcements from now on, in a task of its own."""
        self._task = asyncio.create_task(self._follow_for_ever(use), name=f"follow announced {self._said}")

    async def stop(self) -> None:
        """Change nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _first_announced(self) -> Loaded | None:
        """Return the announced model once it can be loaded; None once it is refused."""
        while (wanted := self._wanted) is not None and wanted != self._settled:
            model = await self._loaded(wanted)
            if model is not None:
                self._put_in_use(model, wanted)
                return model
            if wanted != self._settled:
                await asyncio.sleep(FIRST_RETRY_S)
        return None

    async def _follow_for_ever(self, use: Use[Loaded]) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if self._wanted == self._settled else self._retry_s)
            self._changed.clear()
            if self._wanted != self._settled:
                await self._change(use)

    async def _change(self, use: Use[Loaded]) -> None:
        """Do what the newest announcement asks for; one that comes meanwhile is next."""
        wanted = self._wanted
        if wanted is None:
            await self._fall_back(use)
            return
        if self._kind.is_in_use(wanted):
            self._settled = wanted
            return
        model = await self._loaded(wanted)
        if model is None or wanted is not self._wanted:
            return
        try:
            await use(model)
        except Exception as error:  # out of memory: lists go on with what there is
            self._refuse(wanted, error)
        else:
            self._put_in_use(model, wanted)

    async def _fall_back(self, use: Use[Loaded]) -> None:
        """Go on without an announced one."""
        model = None
        try:
            model = await self._otherwise()
        except Incompatible as error:
            log.error("no %s is announced, and that of the setting cannot be used: %s", self._said, error)
        if self._wanted is None:
            await use(model)
            self._counters.model(ModelOutcome.WITHDRAWN)
            log.info("the announced %s is withdrawn", self._said)
            self._note(model, None)

    async def _loaded(self, wanted: Wanted) -> Loaded | None:
        """Return the announced model, or None where it is not there, or refused."""
        files = wanted.files
        try:
            folder = folder_below(self._models, files.folder)
            model = await in_daemon_thread(lambda: self._kind.load(folder, wanted))
            if model.version != files.version:
                raise Incompatible(f"{folder}: version {model.version} is not the announced one")
        except Unreadable as error:
            self._counters.model(ModelOutcome.MISSING)
            if (wanted, str(error)) != self._missing:  # a folder that does not come must not fill the log
                self._missing = (wanted, str(error))
                log.warning("%s %s is announced and not there: %s; trying again", self._said, files.version, error)
            return None
        except Exception as error:  # whatever is wrong with it, lists go on
            self._refuse(wanted, error)
            return None
        return model

    async def _otherwise(self) -> Loaded | None:
        return await in_daemon_thread(self._kind.otherwise)

    def _put_in_use(self, model: Loaded, wanted: Wanted) -> None:
        self._counters.model(ModelOutcome.IN_USE)
        self._note(model, wanted)

    def _note(self, model: Loaded | None, wanted: Wanted | None) -> None:
        """Remember and say what is in use now."""
        if self._wanted == wanted:
            self._settled = wanted
        self._tell({"version": self._kind.note(model, wanted)})

    def _refuse(self, wanted: Wanted, error: Exception) -> None:
        self._settled = wanted
        self._counters.model(ModelOutcome.REFUSED)
        expected = isinstance(error, Incompatible)
        log.error(
            "%s %s is refused until it is announced anew; what was in use stays: %s",
            self._said,
            wanted.files.version,
            error if expected else repr(error),
            exc_info=None if expected else error,
        )
