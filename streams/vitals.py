"""What a worker shows of itself: written by its event loop, judged by `liveness`, read by whoever asks over HTTP."""

from dataclasses import dataclass
from enum import Enum, auto


class Phase(Enum):
    """Where a worker is between its start and its end."""

    STARTING = auto()
    """Restoring state; not in its group yet."""
    WORKING = auto()
    STOPPING = auto()
    """Told to end: what is in flight is finished, nothing more is taken."""


@dataclass(frozen=True, slots=True)
class Group:
    """The worker in its consumer group, as its client sees it."""

    name: str
    member: bool = False
    """Joined, with a coordinator that is known and heartbeats that go on."""
    rebalancing: bool = False
    error: str | None = None
    """Why the client has given up: it then waits for ever for somebody to ask."""
    rebalances: int = 0
    """How many there were since the start."""
    missing: tuple[str, ...] = ()
    """Topics of which the broker names no partition."""


@dataclass(frozen=True, slots=True)
class Work:
    """One batch loop."""

    topic: str
    finished: int = 0
    """Messages finished since the start."""
    tries: int = 0
    """Times that a batch was tried again because a server was away, for which the loop has a deadline of its own, or
    that it was looked at and had to wait."""
    waiting: int = 0
    """Messages taken and not finished, those of the batch in hand included."""
    overtaken: int = 0
    """Messages finished before the stream came to them."""
    waits_for: str | None = None
    """What its batch waits for, where somebody else goes first."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition that the worker is assigned."""

    topic: str
    number: int
    position: int
    """Offset of the next message to fetch; 0 before it is known."""
    unfinished: int
    """Offset of the first message that is not finished; `position` where all that was fetched is."""
    end: int
    """Offset of the next message to be published, as the broker told lately; 0 before it was asked."""
    held: bool = False
    """Not fetched for now, because the loop's queue is full."""
    fetched_ms: int | None = None
    """When the broker last answered a fetch, epoch milliseconds; None before the first."""

    @property
    def unread(self) -> int:
        """Messages on the broker that were not fetched."""
        return max(0, self.end - self.position)

    @property
    def lag(self) -> int:
        """Messages on the broker that are not finished."""
        return max(0, self.end - self.unfinished)


@dataclass(frozen=True, slots=True)
class Followed:
    """One topic that is followed into the worker's state: all of its partitions, or those that it learns from."""

    topic: str
    caught_up: bool = False
    """All that was there at the start is in the state."""
    lag: int | None = None
    """Records that are known to wait; None before the first connection."""
    ended: bool = False
    """Its task is gone, and the state stands still."""


NOT_ASKED = "not asked yet"


@dataclass(frozen=True, slots=True)
class Vitals:
    """A worker at one tick of its event loop."""

    tick: int
    """Counts up; the same number at two looks means that the event loop stands still."""
    phase: Phase = Phase.STARTING
    waits_for: str = ""
    """What a starting worker waits for."""
    group: Group | None = None
    """None before the worker asks to join."""
    work: tuple[Work, ...] = ()
    partitions: tuple[Partition, ...] = ()
    following: tuple[Followed, ...] = ()
    made_anew: tuple[str, ...] = ()
    """Topics that were deleted and created again since the worker began to keep their offsets."""
    kafka_error: str | None = NOT_ASKED
    """Why Kafka did not answer when it was last asked; None where it did."""
    redis_error: str | None = None
    """Likewise Redis; None too where the agent does not use it."""
