"""How the topics of a broker differ from the table, and which differences can be mended without losing anything.

What a topic promises is a least: whoever keeps messages longer, takes larger ones or asks for more replicas keeps that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from musicrec.co_partitioning import partitions_by_key
from musicrec.topics import Topic

UNLIMITED: Final = -1
"""As Kafka writes a retention without end."""

AT_LEAST: Final = frozenset({"retention.ms", "retention.bytes", "max.message.bytes", "min.insync.replicas"})
"""Raised where they are less, and left where they are more."""


class Kind(StrEnum):
    """What is to be done."""

    CREATE = "create"
    ALTER = "alter"
    REFUSED = "refused"
    """It would lose data, or cannot be done in place."""


class TopicState(NamedTuple):
    """A topic as the broker has it."""

    partitions: int
    replicas: int
    """Of the partition that has the fewest."""
    config: Mapping[str, str]
    """In force, whoever set it."""


class Change(NamedTuple):
    """One difference between the broker and the table."""

    topic: str
    kind: Kind
    what: str
    """Name of the setting, or `topic`, `partitions`."""
    found: str
    wanted: str
    why: str = ""
    """Why it is refused, and the way out."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """All differences, in the order of the table."""

    changes: tuple[Change, ...]
    fine: tuple[str, ...]
    """Topics that are as they should be."""
    unknown: tuple[str, ...]
    """Topics with a name like ours that the table lacks; nobody touches them."""
    partitions: Mapping[str, int]
    """By key how many partitions its topics have to have."""

    @property
    def refused(self) -> tuple[Change, ...]:
        """Differences that are not mended."""
        return tuple(change for change in self.changes if change.kind is Kind.REFUSED)

    def settings(self, topic: str) -> dict[str, str]:
        """Return the settings of a topic that are to be altered."""
        return {change.what: change.wanted for change in self.changes if change[:2] == (topic, Kind.ALTER)}

    @property
    def created(self) -> tuple[str, ...]:
        """Topics that are to be created."""
        return tuple(change.topic for change in self.changes if change.kind is Kind.CREATE)

    @property
    def altered(self) -> tuple[str, ...]:
        """Topics with settings that are to be altered."""
        return tuple(dict.fromkeys(change.topic for change in self.changes if change.kind is Kind.ALTER))


def plan_topics(
    topics: Sequence[Topic],
    found: Mapping[str, TopicState],
    *,
    replication_factor: int,
    accepted_losses: Collection[str] = (),
    partitions: Mapping[str, int] | None = None,
) -> TopicPlan:
    """Compare a broker with the table.

    Args:
        topics: the table.
        found: the broker's topics by name.
        replication_factor: replicas of a topic that is created.
        accepted_losses: topics whose cleanup policy may be changed although messages may go.
        partitions: by key how many were asked for; see `partitions_by_key`.
    """
    numbers = partitions_by_key(topics, {name: state.partitions for name, state in found.items()}, partitions)
    changes: list[Change] = []
    for topic in topics:
        state = found.get(topic.name)
        if state is None:
            wanted = f"{numbers[topic.key]} partitions, {replication_factor} replicas"
            changes.append(Change(topic.name, Kind.CREATE, "topic", "none", wanted))
        else:
            changes += _differences(topic, state, numbers[topic.key], topic.name in accepted_losses)
    differ = {change.topic for change in changes}
    known = {topic.name for topic in topics}
    prefixes = {f"{name.partition('.')[0]}." for name in known}
    return TopicPlan(
        tuple(changes),
        tuple(topic.name for topic in topics if topic.name not in differ),
        tuple(sorted(name for name in found if name not in known and name.startswith(tuple(prefixes)))),
        numbers,
    )


def wanted_config(topic: Topic, replicas: int) -> dict[str, str]:
    """Return the settings of a topic that has so many replicas.

    A message counts as written once all but one of three or more replicas have it: one server may go, and nothing that
    was acknowledged goes with it.
    """
    config = topic.config | {"min.insync.replicas": str(max(1, replicas - 1))}
    if topic.retention_ms is not None:
        config["retention.bytes"] = str(UNLIMITED)  # else a day with many listeners is kept for a shorter time
    return config


def _differences(topic: Topic, state: TopicState, partitions: int, accepts_loss: bool) -> Iterator[Change]:
    if state.partitions != partitions:
        yield Change(
            topic.name,
            Kind.REFUSED,
            "partitions",
            str(state.partitions),
            str(partitions),
            f"a {topic.key} would be on two partitions, and its messages out of order: copy them into a topic that is "
            "created anew, with the agents stopped",
        )
    for name, wanted in wanted_config(topic, state.replicas).items():
        current = state.config.get(name, "")
        if _is_met(name, current, wanted):
            continue
        lost = _lost(current, wanted) if name == "cleanup.policy" and not accepts_loss else ""
        if lost:
            why = f"the broker would delete {lost}; --accept-loss {topic.name} where that is what you want"
            yield Change(topic.name, Kind.REFUSED, name, current, wanted, why)
        else:
            yield Change(topic.name, Kind.ALTER, name, current, wanted)


def _is_met(name: str, current: str, wanted: str) -> bool:
    if name not in AT_LEAST:
        return set(current.split(",")) == set(wanted.split(","))
    if not current.removeprefix("-").isdigit():
        return False
    has, needs = int(current), int(wanted)
    if name.startswith("retention."):
        return has == UNLIMITED or (needs != UNLIMITED and has >= needs)
    return has >= needs


def _lost(current: str, wanted: str) -> str:
    """Return what a change of the cleanup policy deletes, in words; a policy that is taken away deletes nothing."""
    added = set(wanted.split(",")) - set(current.split(","))
    words = {"compact": "all but the newest message of each key", "delete": "what is older than the retention"}
    return " and ".join(words[policy] for policy in sorted(added))
