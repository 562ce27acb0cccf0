"""What befalls the system and when: a function of a seed, which can be written down, replayed and cut shorter."""

import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final


class Fault(StrEnum):
    """The kinds of fault."""

    WORKER_KILLED = "worker_killed"
    WORKER_STOPPED = "worker_stopped"
    WORKER_STOPPED_TWICE = "worker_stopped_twice"
    WORKER_SUSPENDED = "worker_suspended"
    ALL_OF_A_KIND_KILLED = "all_of_a_kind_killed"
    SCALED_UP = "scaled_up"
    SCALED_DOWN = "scaled_down"
    SNAPSHOT_DAMAGED = "snapshot_damaged"
    KAFKA_KILLED = "kafka_killed"
    KAFKA_RESTARTED = "kafka_restarted"
    KAFKA_SUSPENDED = "kafka_suspended"
    KAFKA_SLOW = "kafka_slow"
    KAFKA_CUT = "kafka_cut"
    KAFKA_MUTE = "kafka_mute"
    KAFKA_DISK_FULL = "kafka_disk_full"
    REDIS_KILLED = "redis_killed"
    REDIS_RESTARTED = "redis_restarted"
    REDIS_SUSPENDED = "redis_suspended"
    REDIS_SLOW = "redis_slow"
    REDIS_CUT = "redis_cut"
    REDIS_MUTE = "redis_mute"
    REDIS_FULL = "redis_full"
    REDIS_READ_ONLY = "redis_read_only"
    REDIS_DISK_FULL = "redis_disk_full"
    POISON = "poison"
    DUPLICATES = "duplicates"
    REORDERED = "reordered"
    TOO_LATE = "too_late"
    FUTURE = "future"
    HOT_LISTENER = "hot_listener"


@dataclass(frozen=True, slots=True)
class Kind:
    """How often a fault is drawn and how long it lasts.

    Attributes:
        weight: places in the deck.
        lasts_s: shortest and longest, seconds.
        holds: server that nothing else may befall meanwhile: what two faults at once would lose is not promised (a
            Redis with a full disk that is killed as well).
    """

    weight: int
    lasts_s: tuple[float, float]
    holds: str | None = None


KAFKA, REDIS = "kafka", "redis"
KINDS: Final[dict[Fault, Kind]] = {
    Fault.WORKER_KILLED: Kind(8, (0, 0)),
    Fault.WORKER_STOPPED: Kind(3, (0, 0)),
    Fault.WORKER_STOPPED_TWICE: Kind(1, (0, 0)),
    Fault.WORKER_SUSPENDED: Kind(3, (7, 14)),
    Fault.ALL_OF_A_KIND_KILLED: Kind(2, (0, 0)),
    Fault.SCALED_UP: Kind(2, (0, 0)),
    Fault.SCALED_DOWN: Kind(2, (0, 0)),
    Fault.SNAPSHOT_DAMAGED: Kind(1, (0, 0)),
    Fault.KAFKA_KILLED: Kind(2, (1, 10), KAFKA),
    Fault.KAFKA_RESTARTED: Kind(1, (1, 6), KAFKA),
    Fault.KAFKA_SUSPENDED: Kind(1, (3, 12), KAFKA),
    Fault.KAFKA_SLOW: Kind(1, (4, 12), KAFKA),
    Fault.KAFKA_CUT: Kind(2, (2, 6), KAFKA),
    Fault.KAFKA_MUTE: Kind(1, (2, 6), KAFKA),
    Fault.KAFKA_DISK_FULL: Kind(1, (2, 8), KAFKA),
    Fault.REDIS_KILLED: Kind(2, (1, 10), REDIS),
    Fault.REDIS_RESTARTED: Kind(1, (1, 6), REDIS),
    Fault.REDIS_SUSPENDED: Kind(1, (3, 12), REDIS),
    Fault.REDIS_SLOW: Kind(1, (4, 12), REDIS),
    Fault.REDIS_CUT: Kind(2, (2, 6), REDIS),
    Fault.REDIS_MUTE: Kind(2, (2, 6), REDIS),
    Fault.REDIS_FULL: Kind(1, (2, 8), REDIS),
    Fault.REDIS_READ_ONLY: Kind(1, (2, 8), REDIS),
    Fault.REDIS_DISK_FULL: Kind(1, (2, 8), REDIS),
    Fault.POISON: Kind(1, (3, 8)),
    Fault.DUPLICATES: Kind(1, (3, 8)),
    Fault.REORDERED: Kind(1, (3, 8)),
    Fault.TOO_LATE: Kind(1, (3, 8)),
    Fault.FUTURE: Kind(1, (3, 8)),
    Fault.HOT_LISTENER: Kind(1, (4, 10)),
}

AGENTS: Final = ("session", "ranking", "outcome", "embedder")
ANY_AGENT: Final = (*AGENTS[:3], *AGENTS[:3], AGENTS[3])
"""The embedder is left alone more often: a start costs it seconds of a core."""

PAUSE_S: Final = 5.0
FIRST_AT_S: Final = 3.0
RECOVERY_S: Final = 10.0
"""After a server is back, for so long nothing else befalls it: a broker that has just been killed recovers its log."""


@dataclass(frozen=True, slots=True)
class Action:
    """One fault at one time."""

    number: int
    at_s: float
    """Seconds after the start of the storm."""
    fault: Fault
    agent: str
    """Kind of worker that it befalls, where it befalls one."""
    lasts_s: float
    draw: int
    """Decides what is left open: which of the workers, which byte of a file."""

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.fault} {self.agent} {self.lasts_s:.1f} s".rstrip()


def schedule(seed: int, duration_s: float, *, pause_s: float = PAUSE_S) -> list[Action]:
    """Return the actions of a storm; those of a longer one with the same seed begin with the same.

    Kinds are drawn from a shuffled deck, so that none is missing by chance.

    Args:
        seed: any integer.
        duration_s: all actions begin within it.
        pause_s: mean pause between two beginnings, seconds.
    """
    draw = random.Random(f"schedule {seed}")
    deck: list[Fault] = []
    free_at_s = {KAFKA: 0.0, REDIS: 0.0}
    actions: list[Action] = []
    at_s = FIRST_AT_S
    while at_s < duration_s:
        if not deck:
            deck = [fault for fault, kind in KINDS.items() for _ in range(kind.weight)]
            draw.shuffle(deck)
        place = next((i for i in range(len(deck) - 1, -1, -1) if _is_free(deck[i], free_at_s, at_s)), None)
        if place is not None:
            fault = deck.pop(place)
            kind = KINDS[fault]
            lasts_s = round(draw.uniform(*kind.lasts_s), 1)
            agent = draw.choice(ANY_AGENT) if fault.startswith(("worker", "all", "scaled")) else ""
            agent = "ranking" if fault is Fault.SNAPSHOT_DAMAGED else agent
            if kind.holds is not None:
                free_at_s[kind.holds] = at_s + lasts_s + RECOVERY_S
            actions.append(Action(len(actions), round(at_s, 1), fault, agent, lasts_s, draw.randrange(1 << 30)))
        at_s += min(4 * pause_s, draw.expovariate(1 / pause_s))
    return actions


def _is_free(fault: Fault, free_at_s: dict[str, float], at_s: float) -> bool:
    holds = KINDS[fault].holds
    return holds is None or free_at_s[holds] <= at_s


def write(actions: Iterable[Action], path: Path) -> None:
    """Write a schedule, one action per line; the folder is made."""
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(asdict(action)) + "\n" for action in actions))


def read(path: Path) -> list[Action]:
    """Read what `write` wrote, or a person shortened."""
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [Action(**(row | {"fault": Fault(row["fault"])})) for row in rows]
