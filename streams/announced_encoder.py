"""The session encoder that is announced, loaded beside the one that makes the lists, and put in its place.

Steps
    1. An announcement comes.  Nothing changes yet.
    2. A daemon thread reads the files, checks them against the announced sha256, and tries the encoder out; another one
       looks the catalogue's tracks up in it.  Lists go on with the old encoder.
    3. Between two lists the event loop puts the new one in the old one's place.
Where 2 fails the old one stays.  Files that are not there may still be on their way, so they are tried again, slowly;
damaged or foreign ones are tried again when they are announced anew.  What is withdrawn makes way for the encoder that
the setting names.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import ConsumerRecord

from index.follower import in_daemon_thread
from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.errors import BadInput, Incompatible
from musicrec.model_announcements import SESSION_ENCODER, announcement_in
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.sequence.encoder_files import Unreadable
from musicrec.sequence.encoder_loading import load_encoder
from musicrec.sequence.models_directory import folder_below
from musicrec.topic_follower import TopicFollower
from musicrec.topics import MODELS
from streams.counters import Counters
from streams.metrics import MODEL, ModelOutcome
from streams.vitals import Followed

log = logging.getLogger(__name__)

RETRY_S: Final = 30.0
"""Pause before a folder that is not there is looked for again: a copy takes minutes."""

FIRST_RETRY_S: Final = 1.0
"""Likewise while the worker's start waits for it."""


class Wanted(NamedTuple):
    """An announced encoder."""

    files: ModelFiles
    announced_at_ms: int


Use = Callable[[SessionEncoder | None], Awaitable[None]]
"""Has an encoder make the lists from now on."""


class AnnouncedEncoder:
    """Follows `musicrec.models.v1` and keeps the worker's session encoder as announced."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        counters: Counters,
        *,
        models: Path | None,
        otherwise: Path | None,
        on_other: Callable[[str, ModelAnnouncement | None], None] = lambda *_: None,
        retry_s: float = RETRY_S,
    ) -> None:
        """Make one; `first` gives the encoder to begin with, and `start` sets the changes going.

        Args:
            connection: aiokafka's connection arguments, as `KafkaSettings.client_options` returns them.
            counters: what is counted.
            models: directory that announced folders lie in.
            otherwise: folder of the encoder for as long as none is announced.
            on_other: given the announcements of everything else, by name; None for what is withdrawn.
            retry_s: pause before missing files are looked for again.
        """
        self._follower = TopicFollower(connection, [MODELS.name], self.take)
        self._counters = counters
        self._tell = counters.tell(MODEL)
        self._models = models
        self._otherwise = otherwise
        self._on_other = on_other
        self._retry_s = retry_s
        self._wanted: Wanted | None = None
        self._settled: Wanted | None = None
        """The newest announcement with which nothing is left to do: its encoder is in use, or refused."""
        self._manifest_in_use: str | None = None
        self._missing: tuple[Wanted, str] | None = None
        """What was not there when it was looked for last."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def followed(self) -> Followed:
        """Return how it gets on."""
        ended = self._follower.ended or (self._task is not None and self._task.done())
        return Followed(MODELS.name, self._follower.caught_up, self._follower.lag, ended)

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in announcements, in order."""
        for record in records:
            try:
                name, announced = announcement_in(record.key, record.value)
            except BadInput as error:
                self._counters.unreadable.labels(MODELS.name).inc()
                log.warning("%s@%d passed over: %s", MODELS.name, record.offset, error)
                continue
            if name != SESSION_ENCODER:
                self._on_other(name, announced)
            else:
                self._wanted = _wanted(announced)
                self._changed.set()

    async def first(self, wait_s: float) -> SessionEncoder | None:
        """Return the encoder to begin with: the announced one, else the one that the setting names, or None.

        Args:
            wait_s: longest wait for the announced one; it is put in use later, once it is there.

        Raises:
            Incompatible: the one that the setting names is broken, and none is announced that could be used.
        """
        self._follower.start()
        await self._follower.ready()
        if self._wanted is not None:
            log.info("session encoder %s is announced; waiting for it", self._wanted.files.version)
            try:
                async with asyncio.timeout(wait_s):
                    encoder = await self._first_announced()
            except TimeoutError:
                log.warning("not there within %g s: beginning without it", wait_s)
            else:
                if encoder is not None:
                    return encoder
        encoder = await self._named_by_the_setting()
        self._note(encoder, None)
        return encoder

    def start(self, use: Use) -> None:
        """Follow the announcements from now on, in a task of its own."""
        self._task = asyncio.create_task(self._follow_for_ever(use), name="follow announced models")

    async def stop(self) -> None:
        """Change nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._follower.stop()

    async def _first_announced(self) -> SessionEncoder | None:
        """Return the announced encoder once it can be loaded; None once it is refused."""
        while (wanted := self._wanted) is not None and wanted != self._settled:
            encoder = await self._loaded(wanted)
            if encoder is not None:
                self._note(encoder, wanted)
                return encoder
            if wanted != self._settled:
                await asyncio.sleep(FIRST_RETRY_S)
        return None

    async def _follow_for_ever(self, use: Use) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if self._wanted == self._settled else self._retry_s)
            self._changed.clear()
            if self._wanted != self._settled:
                await self._change(use)

    async def _change(self, use: Use) -> None:
        """Do what the newest announcement asks for; one that comes meanwhile is next."""
        wanted = self._wanted
        if wanted is None:
            await self._fall_back(use)
            return
        if wanted.files.manifest_sha256 == self._manifest_in_use:
            self._settled = wanted
            return
        encoder = await self._loaded(wanted)
        if encoder is None or wanted is not self._wanted:
            return
        try:
            await use(encoder)
        except Exception as error:  # out of memory: lists go on with what there is
            self._refuse(wanted, error)
        else:
            self._note(encoder, wanted)

    async def _fall_back(self, use: Use) -> None:
        """Go on with what the setting names; the one that was withdrawn is not used any more in any case."""
        encoder = None
        try:
            encoder = await self._named_by_the_setting()
        except Incompatible as error:
            log.error("no session encoder is announced, and that of the setting cannot be used: %s", error)
        if self._wanted is None:
            await use(encoder)
            self._counters.model(ModelOutcome.WITHDRAWN)
            log.info("the announced session encoder is withdrawn")
            self._note(encoder, None)

    async def _loaded(self, wanted: Wanted) -> SessionEncoder | None:
        """Return the announced encoder, or None where it is not there, or refused."""
        files = wanted.files
        try:
            folder = folder_below(self._models, files.folder)
            encoder = await in_daemon_thread(lambda: load_encoder(folder, files.manifest_sha256))
            if encoder.version != files.version:
                raise Incompatible(f"{folder}: version {encoder.version} is not the announced one")
        except Unreadable as error:
            self._counters.model(ModelOutcome.MISSING)
            if (wanted, str(error)) != self._missing:  # a folder that does not come must not fill the log
                self._missing = (wanted, str(error))
                log.warning("session encoder %s is announced and not there: %s; trying again", files.version, error)
            return None
        except Exception as error:  # whatever is wrong with it, lists go on
            self._refuse(wanted, error)
            return None
        return encoder

    async def _named_by_the_setting(self) -> SessionEncoder | None:
        folder = self._otherwise
        return None if folder is None else await in_daemon_thread(lambda: load_encoder(folder))

    def _note(self, encoder: SessionEncoder | None, announced: Wanted | None) -> None:
        """Remember and say what makes the lists from now on."""
        self._manifest_in_use = announced.files.manifest_sha256 if announced is not None else None
        if announced is not None:
            self._counters.model(ModelOutcome.IN_USE)
        if self._wanted == announced:
            self._settled = announced
        self._tell({"version": encoder.version if encoder is not None else "none"})
        if encoder is not None:
            log.info("session encoder %s: %d tracks", encoder.version, len(encoder.track_ids))

    def _refuse(self, wanted: Wanted, error: Exception) -> None:
        self._settled = wanted
        self._counters.model(ModelOutcome.REFUSED)
        expected = isinstance(error, Incompatible)
        log.error(
            "session encoder %s is refused until it is announced anew; what was in use stays: %s",
            wanted.files.version,
            error if expected else repr(error),
            exc_info=None if expected else error,
        )


def _wanted(announced: ModelAnnouncement | None) -> Wanted | None:
    if announced is None or announced.files is None:
        return None
    return Wanted(announced.files, announced.announced_at_ms)
