"""The workers of a storm, started again when they end, as an orchestrator does; every life has its own log."""

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from usage import look

from musicrec.errors import Unavailable
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from storm.clock import now_ms

SEPARATE: Final = "separate"
IN_ONE: Final = "session-ranking"
COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    SEPARATE: {"session": 2, "ranking": 2, "outcome": 2, "embedder": 1},
    IN_ONE: {IN_ONE: 2, "outcome": 2, "embedder": 1},
}
"""Workers of each kind, by what does sessions and lists: two agents one after the other, or one for both."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 8.0
SHORT_LIFE_S: Final = 10.0
STOP_GRACE_S: Final = 40.0
NOT_YET_LISTENING: Final = -signal.SIGTERM
"""Status of a Python that is told to stop before it handles signals."""
SETTINGS: Final = {
    "MUSICREC_AGENT__SESSION_TIMEOUT_S": "6",
    # So that what a fault of a few seconds leaves behind is a lag, which listeners who are there overtake.
    "MUSICREC_AGENT__MAX_PENDING": "80",
    "MUSICREC_AGENT__RETRY_DEADLINE_S": "30",
    "MUSICREC_REDIS__DEADLINE_S": "3",
    "MUSICREC_RANKING__SNAPSHOT_INTERVAL_S": "5",
    "MUSICREC_HEALTH__STUCK_AFTER_S": "60",
    "MUSICREC_EMBEDDER_DECODERS": "1",
    "MUSICREC_EMBEDDER_THREADS": "1",
}
"""Shorter than the defaults, so that deadlines are reached within a storm."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of one worker."""

    worker: str
    status: int
    at_ms: int
    wanted: bool
    """Whether the storm ended it."""
    last_line: str
    calm: bool = False
    """Whether it was told to stop when all faults were over and all work was done."""

    @property
    def is_as_it_should_be(self) -> bool:
        """Whether a worker may end so."""
        if self.calm:
            return self.status in (0, NOT_YET_LISTENING)
        # Refused at the start, or at a deadline; and what the storm does to it.
        return self.status in ((0, -signal.SIGKILL, NOT_YET_LISTENING, 2, 70) if self.wanted else (2, 70))


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker and its children held at a time."""

    at_ms: int
    age_s: float
    rss_mb: float
    open_files: int


@dataclass(slots=True)
class Slot:
    """A place for one worker; its lives follow each other."""

    agent: str
    name: str
    folder: Path
    environment: Mapping[str, str]
    process: ChildProcess | None = None
    wanted: bool = True
    hold: bool = False
    """Not to be started again for now."""
    lives: int = 0
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    killed: bool = False
    """Whether the storm ended the present life."""
    samples: list[Held] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        """Where its snapshots lie."""
        return self.folder / "data" / self.name

    def start(self) -> None:
        """Begin the next life."""
        self.lives += 1
        self.started_s = time.monotonic()
        self.killed = False
        self.process = ChildProcess.start(
            self.name,
            [sys.executable, "-m", "musicrec.cli.main", "worker", self.agent],
            self.folder / "logs" / f"{self.name}.{self.lives:03}.log",
            {**self.environment, "MUSICREC_DATA_DIR": str(self.data_dir)},
        )

    def signal(self, number: int) -> None:
        """Signal the present life."""
        if self.process is not None:
            self.killed = self.killed or number in (signal.SIGKILL, signal.SIGTERM)
            self.process.signal(number)

    @property
    def is_ready(self) -> bool:
        """Whether its present life has said so."""
        return self.process is not None and ": ready" in self.process.log_file.read_text(errors="replace")


class Workers:
    """All slots, and who watches over them."""

    def __init__(self, stack: StackAddresses, folder: Path, music: Path, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self._folder = folder
        self._environment = stack.environment() | SETTINGS | {"MUSICREC_EMBEDDER_ALLOWED_ROOT": str(music)}
        self.slots: list[Slot] = []
        self.ends: list[End] = []
        self._made: dict[str, int] = {}
        self._calm = False

    def start(self) -> None:
        """Start as many of each kind as there are to be."""
        for agent, count in self._counts.items():
            for _ in range(count):
                self.add(agent)

    def kind(self, agent: str) -> str:
        """Return the kind of worker that does what an agent does."""
        return agent if agent in self._counts else IN_ONE

    def add(self, agent: str) -> Slot:
        """Start one more worker.  Every third of a kind has no instance id: both ways of membership are in use."""
        number = self._made[agent] = self._made.get(agent, 0) + 1
        name = f"{agent}-{number}"
        static = {} if number % 3 == 0 else {"MUSICREC_AGENT__INSTANCE_ID": name}
        slot = Slot(agent, name, self._folder, self._environment | static)
        slot.start()
        self.slots.append(slot)
        return slot

    def running(self, agent: str) -> list[Slot]:
        """Return the slots of a kind that are wanted."""
        return [slot for slot in self.slots if slot.agent == agent and slot.wanted]

    async def supervise(self) -> None:
        """Start again what has ended, after a pause that grows while lives are short."""
        due: dict[str, float] = {}
        while True:
            now_s = time.monotonic()
            for slot in self.slots:
                if slot.process is not None and slot.process.returncode is not None:
                    self._note_end(slot)
                    due[slot.name] = now_s + slot.pause_s
                if slot.process is None and slot.wanted and not slot.hold and now_s >= due.get(slot.name, 0.0):
                    slot.start()
            await asyncio.sleep(0.1)

    def _note_end(self, slot: Slot) -> None:
        assert slot.process is not None
        assert slot.process.returncode is not None
        is_short = time.monotonic() - slot.started_s < SHORT_LIFE_S and not slot.killed
        slot.pause_s = min(LONGEST_PAUSE_S, 2 * slot.pause_s) if is_short else FIRST_PAUSE_S
        last = slot.process.log_tail(1)
        self.ends.append(End(slot.name, slot.process.returncode, now_ms(), slot.killed, last[:300], self._calm))
        slot.process = None

    async def watch_memory(self, every_s: float = 5.0) -> None:
        """Note now and then what each process holds."""
        while True:
            for slot in self.slots:
                with suppress(Unavailable, OSError):  # it has just ended
                    if slot.process is not None:
                        seen = look(slot.process)
                        age_s = time.monotonic() - slot.started_s
                        slot.samples.append(Held(now_ms(), age_s, seen.rss_mb, seen.open_files))
            await asyncio.sleep(every_s)

    async def stop(self) -> None:
        """Stop all in order and note how they end; whoever has not in time is killed, and stands there as killed."""
        self._calm = True
        for slot in self.slots:
            slot.wanted = False
            slot.signal(signal.SIGCONT)
            slot.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        while any(slot.process and slot.process.returncode is None for slot in self.slots):
            if time.monotonic() > deadline:
                for slot in self.slots:
                    slot.signal(signal.SIGKILL)
            await asyncio.sleep(0.1)
        for slot in self.slots:
            if slot.process is not None:
                self._note_end(slot)

    @property
    def logs(self) -> list[Path]:
        """The logs of all lives."""
        return sorted((self._folder / "logs").glob("*.log"))
