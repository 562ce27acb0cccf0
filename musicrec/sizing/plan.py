"""From a load to processes, servers and the first limit, by measured costs.

Nothing here queues: a process is planned at a share of a core, so that it catches up after a restart and waits are
short.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from musicrec.recommend.settings import RankingSettings
from musicrec.sizing.costs import Costs
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, SESSIONS, USER_PARTITIONS, Topic

GIB: Final = 2**30
DAY_S: Final = 86_400
REDIS_NODE_GIB: Final = 16
"""Data of one node: larger ones take minutes to load after a restart."""
DISK_MIB_PER_S: Final = 200
"""Written by a broker whose disks also serve readers."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for."""

    events_per_s: float
    listeners: int
    """Who were there in the last day: so long Redis keeps lists and state."""
    replicas: int = 3
    """Of each partition, and likewise one replica of each Redis node where it is above 1."""
    utilisation: float = 0.6
    """Share of a core that a process is planned for."""
    ranking_listeners: int = RankingSettings().max_listeners
    """Most listeners that a ranking worker remembers: `MUSICREC_RANKING__MAX_LISTENERS`."""
    partitions: int = USER_PARTITIONS
    """Of the topics keyed by listener: most workers of a kind."""
    retention_days: float = 1.0
    """Of lists and outcomes; of listens and sessions as the topics have it."""
    in_one: bool = False
    """Session-ranking workers instead of session and ranking workers."""
    learn_from_one_in: int | None = None
    """`MUSICREC_RANKING__LEARN_FROM_ONE_IN`; None for 1 where the load fits, and else for the smallest with which it
    fits and what all learn from takes at most half of a worker."""


class Limit(NamedTuple):
    """Where a stage ends, whatever is added to it."""

    events_per_s: float
    stage: str
    way_out: str


class Part(NamedTuple):
    """One row of a plan."""

    what: str
    number: int | None
    """Processes or servers; None where no number is enough."""
    cores: float
    memory_gib: float
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load needs."""

    load: Load
    parts: tuple[Part, ...]
    limits: tuple[Limit, ...]
    """Lowest first."""
    learn_from_one_in: int
    """As asked for, or chosen; see `Load`."""

    @property
    def passed(self) -> tuple[Limit, ...]:
        """Limits that the load is beyond."""
        return tuple(limit for limit in self.limits if limit.events_per_s < self.load.events_per_s)


def plan_for(load: Load, costs: Costs) -> Plan:
    """Return what a load needs; a stage that cannot carry it has no count, and its limit says why."""
    one_in = load.learn_from_one_in or _least_one_in(load, costs)
    sessions = () if load.in_one else (_workers("session workers", costs.session_cpu_ms, load, base_gib=0.1),)
    return Plan(
        load,
        (
            *sessions,
            _ranking(load, costs, one_in),
            _workers("outcome workers", costs.outcome_cpu_ms, load, base_gib=0.1),
            _redis(load, costs),
            _brokers(load, costs),
        ),
        tuple(sorted(_limits(load, costs, one_in))),
        one_in,
    )


def _budget_ms(load: Load) -> float:
    return 1_000 * load.utilisation


def _who_lists(load: Load) -> str:
    return "session-ranking workers" if load.in_one else "ranking workers"


def _list_cpu_ms(load: Load, costs: Costs) -> float:
    return costs.session_ranking_cpu_ms if load.in_one else costs.list_cpu_ms


def _workers(what: str, cpu_ms: float, load: Load, *, base_gib: float) -> Part:
    count = max(2, math.ceil(load.events_per_s * cpu_ms / _budget_ms(load)))
    cores = load.events_per_s * cpu_ms / 1_000
    if count > load.partitions:
        return Part(what, None, cores, base_gib * count, f"{count} would be needed for {load.partitions} partitions")
    return Part(what, count, cores, base_gib * count, f"{load.events_per_s / count:,.0f} events/s each")


def _least_one_in(load: Load, costs: Costs) -> int:
    shares = [one_in for one_in in range(1, load.partitions + 1) if load.partitions % one_in == 0]

    def is_enough(one_in: int) -> bool:
        count = _ranking_workers(load, costs, one_in)
        fits = count is not None and count <= load.partitions
        # With a share that only just fits, workers do little but learn: the next one saves most of their cores.
        return fits and (one_in == 1 or load.events_per_s * costs.learn_cpu_ms / one_in <= _budget_ms(load) / 2)

    return next(filter(is_enough, shares), shares[-1])


def _ranking_workers(load: Load, costs: Costs, one_in: int) -> int | None:
    """Return how many workers have the time for their lists, and for what they learn; None where no number has.

    Each learns from the share, 1/n of the events, and from what of the others falls to its own listeners.
    """
    left_ms = _budget_ms(load) - load.events_per_s * costs.learn_cpu_ms / one_in
    divided_ms = _list_cpu_ms(load, costs) + costs.learn_cpu_ms * (1 - 1 / one_in)
    return None if left_ms <= 0 else max(2, math.ceil(load.events_per_s * divided_ms / left_ms))


def _ranking(load: Load, costs: Costs, one_in: int) -> Part:
    what, count = _who_lists(load), _ranking_workers(load, costs, one_in)
    memory_gib = 0.4 + min(load.listeners, load.ranking_listeners) * costs.ranking_bytes_per_listener / GIB
    whom = "everybody" if one_in == 1 else f"one in {one_in}"
    if count is None:
        return Part(what, None, math.inf, memory_gib, f"each learns from {whom}, and one has no time for that")
    learned = learned_share(one_in, count)
    cores = load.events_per_s * (_list_cpu_ms(load, costs) + count * learned * costs.learn_cpu_ms) / 1_000
    if count > load.partitions:
        return Part(what, None, cores, memory_gib * count, f"{count} would be needed for {load.partitions} partitions")
    share = load.events_per_s * learned * costs.learn_cpu_ms / _budget_ms(load)
    if one_in > 1:
        whom += " and its own"
    return Part(what, count, cores, memory_gib * count, f"{share:.0%} of each learns from {whom}; tracks come on top")


def learned_share(one_in: int, workers: int) -> float:
    """Return the share of all events that one ranking worker learns from.

    >>> learned_share(1, 12), learned_share(4, 12)
    (1.0, 0.3125)
    """
    return 1 / one_in + (1 - 1 / one_in) / workers


def _redis(load: Load, costs: Costs) -> Part:
    data_gib = load.listeners * costs.redis_bytes_per_listener / GIB
    cores = load.events_per_s * costs.redis_cpu_ms / 1_000
    nodes = max(1, math.ceil(cores / load.utilisation), math.ceil(data_gib / REDIS_NODE_GIB))
    copies = 2 if load.replicas > 1 else 1
    note = f"{load.events_per_s * costs.redis_commands:,.0f} commands/s"
    note += f"; a cluster of {nodes}, each with a replica" if nodes > 1 and copies > 1 else ""
    return Part("Redis servers", nodes * copies, cores * copies, data_gib * copies, note)


def _brokers(load: Load, costs: Costs) -> Part:
    written = sum(costs.topic_bytes.values()) * load.events_per_s
    disk = sum(costs.topic_bytes[t.name] * _kept_s(t, load) for t in _topics()) * load.events_per_s * load.replicas
    cores = load.events_per_s * costs.kafka_cpu_ms * load.replicas / 1_000
    by_disk = math.ceil(written * load.replicas / (DISK_MIB_PER_S * 2**20))
    count = max(load.replicas, math.ceil(cores / (8 * load.utilisation)), by_disk)
    note = f"{written / 2**20:,.1f} MiB/s in, {disk / GIB:,.0f} GiB on disk, of 8 cores each"
    return Part("Kafka brokers", count, cores, 4.0 * count, note)


def _topics() -> tuple[Topic, ...]:
    return LISTENS, SESSIONS, RECOMMENDATIONS, OUTCOMES


def _kept_s(topic: Topic, load: Load) -> float:
    if topic in (LISTENS, SESSIONS) and topic.retention_ms is not None:
        return topic.retention_ms / 1_000
    return load.retention_days * DAY_S


def _limits(load: Load, costs: Costs, one_in: int) -> list[Limit]:
    budget, most = _budget_ms(load), load.partitions
    partitions = "more partitions (`musicrec topics --user-partitions`), chosen when the topics are made"
    limits = [Limit(most * budget / costs.outcome_cpu_ms, f"{most} outcome workers, one per partition", partitions)]
    if not load.in_one:
        what = f"{most} session workers, one per partition"
        limits.append(Limit(most * budget / costs.session_cpu_ms, what, partitions))
    for share in sorted({one_in, most}):
        whom = "everybody" if share == 1 else f"one listener in {share} and its own"
        less = "a smaller share to learn from (`MUSICREC_RANKING__LEARN_FROM_ONE_IN`)"
        limits.append(
            Limit(
                budget / (_list_cpu_ms(load, costs) / most + learned_share(share, most) * costs.learn_cpu_ms),
                f"{most} {_who_lists(load)}, one per partition, each of which learns from {whom}",
                partitions if share == most else less,
            )
        )
    return limits
